import DreamBooth
import Foundation
import TestSupport
import Testing

/// Training runs that cannot succeed.
@Suite struct BadTrainingTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  // MARK: - Options

  /// Options with impossible values, and the words that the complaint must have.
  @Test(arguments: [
    (["--max_train_steps", "-5"], ["--max_train_steps is -5"]), (["--max_train_steps=0"], ["--max_train_steps is 0"]),
    (["--max_train_steps", "many"], ["many", "--max-train-steps"]), (["--max_train_steps"], ["--max-train-steps"]),
    (["--resolution", "17"], ["--resolution is 17", "multiple of 2"]), (["--resolution=0"], ["--resolution is 0"]),
    (["--resolution", "1000000"], ["--resolution is 1000000"]),
    (["--train_batch_size", "\(Int.max)"], ["--train_batch_size is \(Int.max)"]),
    (["--num_train_epochs", "\(Int.max)"], ["--num_train_epochs is \(Int.max)"]),
    (["--train_batch_size", "9223372036854775808"], ["9223372036854775808"]),
    (["--lr_scheduler", "cosine", "--lr_warmup_steps", "4"], ["--lr_warmup_steps is 4", "only 4 steps"]),
    (["--lr_warmup_steps", "-1"], ["--lr_warmup_steps is -1"]), (["--lr_scheduler", "step"], ["step", "cosine"]),
    (["--learning_rate", "nan"], ["--learning_rate is nan"]),
    (["--learning_rate=-1e-5"], ["--learning_rate is -1e-05"]),
    (["--learning_rate", "0"], ["--learning_rate is 0"]), (["--adam_beta1", "1"], ["--adam_beta1 is 1"]),
    (["--adam_epsilon", "0"], ["--adam_epsilon is 0"]), (["--max_grad_norm", "0"], ["--max_grad_norm is 0"]),
    (["--snr_gamma", "-5"], ["--snr_gamma is -5"]), (["--guidance_scale", "inf"], ["--guidance_scale is inf"]),
    (["--gradient_accumulation_steps", "0"], ["--gradient_accumulation_steps is 0"]),
    (["--checkpointing_steps", "0"], ["--checkpointing_steps is 0"]),
    (["--checkpoints_total_limit", "-1"], ["--checkpoints_total_limit is -1"]),
    (["--instance_prompt", ""], ["--instance_prompt"]), (["--seed", "-1"], ["-1", "--seed"]),
    (["--image_interpolation_mode", "magic"], ["magic", "bilinear"]), (["--device", "tpu"], ["--device", "tpu"]),
    (["--mixed_precision", "bf16"], ["--mixed_precision is bf16", "cpu"]),
    (["--mixed_precision=fp8"], ["fp8", "fp16"]),
    (["--with_prior_preservation"], ["--class_data_dir is needed"]),
    (["--with_prior_preservation", "--class_data_dir", "class"], ["--class_prompt is needed"]),
    (["--frobnicate"], ["--frobnicate"]), (["--frobnicate=1"], ["--frobnicate"]), (["extra"], ["extra"]),
  ])
  func impossibleValuesAreRefused(_ options: [String], _ words: [String]) throws {
    try place.expectRefusal(place.training(options), naming: words)
  }

  @Test(arguments: [["frobnicate"], ["train"], ["--frobnicate"], ["train", "--seed", "1"]])
  func argumentsThatLeadNowhereAreRefused(_ arguments: [String]) throws {
    try place.expectRefusal(arguments, naming: ["dbtool --help says more"])
  }

  // MARK: - Folders

  @Test(arguments: ["photos", "photos/", "./photos", "link", "class/../photos"])
  func classPicturesNeedTheirOwnFolder(_ path: String) throws {
    try place.makeFolder("class")
    let link = place.file("link").path(percentEncoded: false)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "photos")
    let options = [
      "--with_prior_preservation", "--class_prompt", "a dog", "--num_class_images", "9", "--class_data_dir",
    ]
    try place.expectRefusal(
      place.training(options + [path]), naming: ["--class_data_dir is the folder of --instance_data_dir"])
  }

  @Test(arguments: [("model", "pretrained_model_name_or_path"), ("./photos/", "instance_data_dir")])
  func theResultNeedsItsOwnFolder(_ path: String, _ option: String) throws {
    try place.expectRefusal(
      place.training(["--output_dir", path]), naming: ["--output_dir is the folder of --\(option)"])
  }

  @Test(arguments: [
    ("photos/rgb8.png", "Not a directory"), ("photos/rgb8.png/out", "Not a directory"), ("/proc/out", "No such file"),
  ])
  func placesThatCannotBeWrittenAreNamed(_ path: String, _ reason: String) throws {
    try place.expectRefusal(place.training(["--output_dir", path]), naming: [path, "cannot be written", reason])
  }

  @Test func whatElseIsInTheOutputFolderStays() throws {
    try place.makeFolder("out/holiday")
    try place.write("diary", to: "out/holiday/diary.txt")
    try place.write("{}", to: "out/settings.json")
    try place.write("an older log", to: "out/log.jsonl")
    try place.succeed(place.training())
    #expect(try place.data("out/holiday/diary.txt") == Data("diary".utf8))
    #expect(try place.data("out/settings.json") == Data("{}".utf8))
    #expect(try place.data("out/log.1.jsonl") == Data("an older log".utf8))
  }

  // MARK: - Pictures

  @Test func foldersWithoutPhotosAreNamed() throws {
    try place.makeFolder("empty")
    try place.makeFolder("texts")
    try place.write("a dog", to: "texts/a.txt")
    for (path, words) in [
      ("empty", ["empty", "put PNG or JPEG"]), ("texts", ["texts", "a.txt"]),
      ("nowhere", ["nowhere", "no such folder"]),
      ("photos/rgb8.png", ["rgb8.png", "is a file"]), ("photos/rgb8.png/x", ["rgb8.png/x"]),
    ] {
      try place.expectRefusal(place.training(["--instance_data_dir", path]), naming: words)
    }
  }

  @Test(arguments: [
    ("truncated-half.jpg", "ends early"), ("truncated-half.png", "ends early"), ("corrupt-data.png", "damaged"),
    ("empty.jpg", "is not an image"), ("bomb.png", "pixels"), ("notes.png", "is not an image"),
    ("picture.webp", "WebP"),
    ("truncated-header.jpg", "truncated-header.jpg"),
  ])
  func brokenPicturesAreNamed(_ picture: String, _ reason: String) throws {
    try place.copy(Fixtures.folder.appending(path: "images/\(picture)"), to: "photos/\(picture)")
    try place.expectRefusal(place.training(), naming: ["photos/\(picture)", reason])
  }

  @Test func aBrokenClassPictureIsNamed() throws {
    try place.makeFolder("class")
    try place.copy(Fixtures.folder.appending(path: "images/notes.png"), to: "class/notes.png")
    let options = ["--with_prior_preservation", "--class_prompt", "a dog", "--class_data_dir", "class"]
    let outcome = try place.run(place.training(options))
    #expect(outcome.status == 1 && outcome.errors.contains("class/notes.png"), "\(outcome)")
    #expect(try place.names("class") == ["notes.png"])
  }

  // MARK: - Resuming

  @Test func anEarlierRunIsNotOverwritten() throws {
    try place.succeed(place.training(["--checkpointing_steps", "2"]))
    try place.expectRefusal(place.training(), naming: ["out", "--resume_from_checkpoint latest"])
    let latest = ["--resume_from_checkpoint", "latest"]
    try place.expectRefusal(place.training(latest + ["--output_dir", "new"]), naming: ["new", "no checkpoint"])
    try place.expectRefusal(
      place.training(["--resume_from_checkpoint", "nowhere"]), naming: ["nowhere", "no whole checkpoint"])
    try place.expectRefusal(place.training(["--resume_from_checkpoint", "photos"]), naming: ["photos", "state.json"])
    for (option, value) in [("seed", "8"), ("learning_rate", "1e-4"), ("instance_prompt", "another")] {
      try place.expectRefusal(
        place.training(latest + ["--\(option)", value]), naming: ["checkpoint-4", "--\(option)"])
    }
    try place.expectRefusal(place.training(latest + ["--train_text_encoder"]), naming: ["--train_text_encoder"])
    try place.copy(Fixtures.model("tiny-sd2"), to: "other")
    try place.expectRefusal(
      place.training(latest + ["--pretrained_model_name_or_path", "other"]), naming: ["checkpoint-4", "another model"])
    try place.remove("photos/rgb8.png")
    try place.expectRefusal(place.training(latest), naming: ["--instance_data_dir"])
  }

  @Test func tornCheckpointsAreRefusedAndPassedOver() throws {
    try place.succeed(place.training(["--checkpointing_steps", "2"]))
    let torn = "out/checkpoint-4/unet/optimizer.safetensors"
    let whole = try place.data(torn)
    let asked = ["--max_train_steps", "6", "--resume_from_checkpoint"]
    try whole.dropLast().write(to: place.file(torn))
    try place.expectRefusal(
      place.training(asked + ["out/checkpoint-4"]), naming: ["checkpoint-4", "optimizer.safetensors", "bytes instead"])
    var hostile = whole
    hostile.replaceSubrange(0..<8, with: [UInt8](repeating: 0xFF, count: 8))
    try hostile.write(to: place.file(torn))
    try place.expectRefusal(
      place.training(asked + ["out/checkpoint-4"]), naming: ["checkpoint-4", "optimizer.safetensors", "header"])
    try whole.write(to: place.file(torn))
    for state in ["", "{}", "[]", #"{"format": 1}"#] {
      try place.write(state, to: "out/checkpoint-4/state.json")
      try place.expectRefusal(
        place.training(asked + ["out/checkpoint-4"]), naming: ["checkpoint-4", "state.json is damaged"])
    }
    let outcome = try place.succeed(place.training(asked + ["latest"]))
    #expect(outcome.errors.contains("warning: ") && outcome.errors.contains("checkpoint-4/ is no whole checkpoint"))
    #expect(outcome.errors.contains("Going on after step 2 from "))
  }
}
