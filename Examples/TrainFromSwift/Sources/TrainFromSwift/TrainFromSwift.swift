import DreamBooth
import Foundation

/// Trains a model on a folder of photos for a few steps and draws the subject: DreamBooth as a library.
@main
struct TrainFromSwift {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4 else {
      print("usage: TrainFromSwift MODEL PHOTOS OUTPUT")
      exit(2)
    }

    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: arguments[1], instanceDataDir: arguments[2],
      instancePrompt: "a photo of sks dog", outputDir: arguments[3])
    configuration.resolution = 128
    configuration.trainBatchSize = 1
    configuration.maxTrainSteps = 4
    configuration.seed = 1

    let backend = CPUBackend()
    let trainer = try Trainer(configuration, on: backend) { event in
      if case .stepped(let record, let total) = event { print("step \(record.step) of \(total): loss \(record.loss)") }
    }
    guard case .finished(let folder) = try trainer.run() else { return }

    let model = try ModelFolder(folder)
    var request = TextToImageRequest(prompts: ["a photo of sks dog on the beach"])
    request.steps = 10
    let pictures = try TextToImage(model, on: backend)(
      request, scheduler: DDIMScheduler(model.schedulerConfiguration))
    let picture = folder.appending(path: "dog.png")
    try pictures.images()[0].writePNG(to: picture)
    print(picture.path(percentEncoded: false))
  }
}
