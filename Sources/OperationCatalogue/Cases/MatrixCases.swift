import Tensor

extension OperationCatalogue {
  /// A matrix product.
  public static func matrixProduct(
    _ product: MatrixProduct, bias: Bool = false, _ dtype: DType = .float32
  ) -> OperationCase {
    let (m, n, k) = (product.m, product.n, product.k)
    let a: Shape = product.transposeA ? [k, m] : [m, k]
    let b: Shape = product.transposeB ? [n, k] : [k, n]
    let form = (product.transposeA ? "Aᵀ" : "A") + (product.transposeB ? "Bᵀ" : "B") + (bias ? " + bias" : "")
    return OperationCase(
      .matrixProduct, "\(form) \(m)x\(n)x\(k) \(dtype)",
      operands: [Operand(a, dtype), Operand(b, dtype)] + (bias ? [Operand([n], dtype)] : []),
      outputs: [Output([m, n], dtype)], flops: 2 * m * n * k,
      run: { backend, operands, outputs in
        backend.matrixProduct(operands[0], operands[1], product, bias: bias ? operands[2] : nil, into: outputs[0])
      },
      reference: { [Reference.matrixProduct($0[0], $0[1], product, bias: bias ? $0[2] : nil)] })
  }

  static var matrixProducts: [OperationCase] {
    let extents = [
      (1, 1, 1), (1, 5, 7), (7, 1, 3), (7, 5, 1), (17, 31, 13), (64, 64, 64), (154, 96, 64), (2, 320, 129),
    ]
    let forms = [(false, false), (false, true), (true, false), (true, true)]
    let all = forms.flatMap { form in
      extents.map { MatrixProduct(m: $0, n: $1, k: $2, transposeA: form.0, transposeB: form.1) }
    }
    let wide = forms.map { MatrixProduct(m: 3, n: 1300, k: 160, transposeA: $0, transposeB: $1) }
    let small = forms.map { MatrixProduct(m: 9, n: 11, k: 33, transposeA: $0, transposeB: $1) }
    return (all + wide).map { matrixProduct($0) }
      + [
        matrixProduct(MatrixProduct(m: 17, n: 31, k: 13, transposeB: true), bias: true),
        matrixProduct(MatrixProduct(m: 1, n: 1280, k: 3, transposeB: true), bias: true),
        matrixProduct(MatrixProduct(m: 5, n: 3, k: 7), bias: true),
        matrixProduct(MatrixProduct(m: 300, n: 70, k: 5, transposeB: true), bias: true),
        matrixProduct(MatrixProduct(m: 3, n: 4, k: 3000, transposeB: true)),
        matrixProduct(wide[1], bias: true),
        matrixProduct(MatrixProduct(m: 0, n: 4, k: 3, transposeB: true), bias: true),
        matrixProduct(MatrixProduct(m: 3, n: 4, k: 0)),
      ]
      + [DType.float16, .bfloat16].flatMap { dtype in
        small.map { matrixProduct($0, dtype) } + [matrixProduct(small[1], bias: true, dtype)]
      }
  }
}
