import Tensor

extension OperationCatalogue {
  /// A matrix product; its result may be wider than its operands.
  public static func matrixProduct(
    _ product: MatrixProduct, bias: Bool = false, _ dtype: DType = .float32, output: DType? = nil
  ) -> OperationCase {
    let (m, n, k) = (product.m, product.n, product.k)
    let a: Shape = product.transposeA ? [k, m] : [m, k]
    let b: Shape = product.transposeB ? [n, k] : [k, n]
    return OperationCase(
      .matrixProduct, "\(product)\(bias ? " + bias" : "") \(dtype)\(output.map { " into \($0)" } ?? "")",
      operands: [Operand(a, dtype), Operand(b, dtype)] + (bias ? [Operand([n], dtype)] : []),
      outputs: [Output([m, n], output ?? dtype, mayRoundBeforeAdding: true)],
      flops: OperationCost.matrixProduct(product),
      run: { backend, operands, outputs in
        backend.matrixProduct(operands[0], operands[1], product, bias: bias ? operands[2] : nil, into: outputs[0])
      },
      reference: {
        [Reference.matrixProduct($0[0], $0[1], product, bias: bias ? $0[2] : nil, output ?? dtype)]
      })
  }

  /// Matrix products in one type.
  static func matrixProducts(_ dtype: DType) -> [OperationCase] {
    let extents = [
      (1, 1, 1), (1, 5, 7), (7, 1, 3), (7, 5, 1), (17, 31, 13), (64, 64, 64), (154, 96, 64), (2, 320, 129),
      (9, 11, 33), (16, 8, 24), (20, 70, 650), (50, 36, 1024), (130, 20, 2),
    ]
    let forms = [(false, false), (false, true), (true, false), (true, true)]
    let all = forms.flatMap { form in
      extents.map { MatrixProduct(m: $0, n: $1, k: $2, transposeA: form.0, transposeB: form.1) }
    }
    let wide = forms.map { MatrixProduct(m: 3, n: 1300, k: 160, transposeA: $0, transposeB: $1) }
    let small = MatrixProduct(m: 9, n: 11, k: 33, transposeB: true)
    let weightGradient = MatrixProduct(m: 24, n: 40, k: 56, transposeA: true)
    let wider = [small, weightGradient].map { matrixProduct($0, dtype, output: .float32) }
    return (all + wide).map { matrixProduct($0, dtype) }
      + [
        matrixProduct(MatrixProduct(m: 17, n: 31, k: 13, transposeB: true), bias: true, dtype),
        matrixProduct(MatrixProduct(m: 1, n: 1280, k: 3, transposeB: true), bias: true, dtype),
        matrixProduct(MatrixProduct(m: 5, n: 3, k: 7), bias: true, dtype),
        matrixProduct(MatrixProduct(m: 300, n: 70, k: 5, transposeB: true), bias: true, dtype),
        matrixProduct(MatrixProduct(m: 3, n: 4, k: 3000, transposeB: true), dtype),
        matrixProduct(wide[1], bias: true, dtype), matrixProduct(small, bias: true, dtype),
        matrixProduct(MatrixProduct(m: 0, n: 4, k: 3, transposeB: true), bias: true, dtype),
        matrixProduct(MatrixProduct(m: 3, n: 4, k: 0), dtype),
        matrixProduct(MatrixProduct(m: 3, n: 4, k: 0), bias: true, dtype),
      ] + (dtype == .float32 ? [] : wider)
  }
}
