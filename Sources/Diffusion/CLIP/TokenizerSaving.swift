import Foundation
import Tensor

extension CLIPTokenizer {
  /// Writes the tokenizer in every form its readers look for.
  ///
  /// These are tokenizer.json (transformers 5), vocab.json and merges.txt (everybody else), and
  /// tokenizer_config.json with special_tokens_map.json. `folder` is made if need be.
  public func save(to folder: URL) throws(FileError) {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: folder.path(percentEncoded: false), action: .write, underlying: error)
    }
    for (name, text) in [
      ("vocab.json", vocabularyText + "\n"), ("merges.txt", mergesText), ("tokenizer.json", tokenizerText),
      ("tokenizer_config.json", configText), ("special_tokens_map.json", specialTokensText),
    ] {
      try AtomicFile.write(Array(text.utf8), to: folder.appending(path: name))
    }
  }

  /// The vocabulary as one JSON object, in the order of the ids.
  private var vocabularyText: String {
    let entries = encoding.vocabulary.sorted { $0.value < $1.value }.map { "\(Self.quoted($0.key)): \($0.value)" }
    return "{\(entries.joined(separator: ", "))}"
  }

  private var mergesText: String {
    (["#version: 0.2"] + encoding.merges.map { "\($0.first) \($0.second)" }).joined(separator: "\n") + "\n"
  }

  private var tokenizerText: String {
    let added = addedTokens.sorted { $0.id < $1.id }.map { "\n    {\"id\": \($0.id), \(Self.properties($0.token))}" }
    let merges = encoding.merges.map { "\n      [\(Self.quoted($0.first)), \(Self.quoted($0.second))]" }
    return """
      {
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [\(added.joined(separator: ","))
        ],
      \(Self.pipelineText),
        "post_processor": {
          "type": "RobertaProcessing",
          "sep": [\(Self.quoted(specialTokens.eos)), \(endID)],
          "cls": [\(Self.quoted(specialTokens.bos)), \(beginID)],
          "trim_offsets": false,
          "add_prefix_space": false
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
          "type": "BPE",
          "dropout": null,
          "unk_token": \(Self.quoted(specialTokens.unk)),
          "continuing_subword_prefix": "",
          "end_of_word_suffix": "</w>",
          "fuse_unk": false,
          "byte_fallback": false,
          "ignore_merges": false,
          "vocab": \(vocabularyText),
          "merges": [\(merges.joined(separator: ","))
          ]
        }
      }

      """
  }

  /// What happens to the text before byte-pair encoding: the same for every CLIP tokenizer.
  private static let pipelineText = #"""
      "normalizer": {
        "type": "Sequence",
        "normalizers": [
          {"type": "NFC"},
          {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
          {"type": "Lowercase"}
        ]
      },
      "pre_tokenizer": {
        "type": "Sequence",
        "pretokenizers": [
          {
            "type": "Split",
            "pattern": {
              "Regex": "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
            },
            "behavior": "Removed",
            "invert": true
          },
          {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
        ]
      }
    """#

  private var configText: String {
    let added = addedTokens.sorted { $0.id < $1.id }.map { "\n    \"\($0.id)\": {\(Self.properties($0.token))}" }
    return """
      {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": \(maximumLength),
        "do_lower_case": true,
        "add_prefix_space": false,
        "errors": "replace",
        \(rolesText),
        "added_tokens_decoder": {\(added.joined(separator: ","))
        }
      }

      """
  }

  private var specialTokensText: String {
    "{\n  \(rolesText)\n}\n"
  }

  private var rolesText: String {
    [
      ("bos_token", specialTokens.bos), ("eos_token", specialTokens.eos), ("unk_token", specialTokens.unk),
      ("pad_token", specialTokens.pad),
    ].map { "\"\($0)\": \(Self.quoted($1))" }.joined(separator: ",\n  ")
  }

  private static func properties(_ token: AddedToken) -> String {
    [
      "\"content\": \(quoted(token.content))", "\"single_word\": \(token.singleWord)",
      "\"lstrip\": \(token.stripsLeft)", "\"rstrip\": \(token.stripsRight)",
      "\"normalized\": \(token.isNormalized)", "\"special\": \(token.isSpecial)",
    ].joined(separator: ", ")
  }

  /// A JSON string.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{0}"..<" ": result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
