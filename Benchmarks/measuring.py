"""What both scripts share: the clock, CUDA graphs, peak memory, the networks, and the lines they print.

Times are medians. On a GPU they lie between two events of its own clock, so that work which is still queued counts for
the step that queued it; on the CPU the process's clock is read.
"""

import argparse
import gc
import itertools
import json
import pathlib
import resource
import statistics
import sys
import time
import traceback

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "Fixtures" / "configs"
MODES = ["eager", "graph", "compile"]
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
TYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# PyTorch's documentation asks for a few iterations on a side stream before a capture; autotuning settles in them too.
WARM_UPS = 3


def parser(description):
    """The options that both scripts take."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--model", type=pathlib.Path, help="a diffusers folder; its configurations count, not its weights")
    options.add_argument("--like", default="sd15", help="a name under Fixtures/configs, instead of --model")
    options.add_argument("--resolution", type=int, default=512)
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--threads", type=int, help="threads of the CPU; PyTorch's choice if left out")
    options.add_argument(
        "--modes", nargs="+", default=None, metavar="MODE[:LAYOUT]",
        help=f"any of {', '.join(MODES)}, with :{' or :'.join(LAYOUTS)} after it")
    return options


def parse(options, arguments):
    """The parsed options, with everything settled that depends on the device."""
    chosen = options.parse_args(arguments)
    chosen.model = chosen.model or CONFIGS / chosen.like
    if not (chosen.model / "unet" / "config.json").is_file():
        options.error(f"{chosen.model} is no diffusers folder")
    chosen.is_cuda = torch.device(chosen.device).type == "cuda"
    layout = "channels_last" if chosen.is_cuda else "contiguous"
    pairs = [mode.partition(":") for mode in chosen.modes or MODES[:2 if chosen.is_cuda else 1]]
    chosen.modes = [(mode, wanted or layout) for mode, _, wanted in pairs]
    for mode, wanted in chosen.modes:
        if mode not in MODES or wanted not in LAYOUTS:
            options.error(f"--modes {mode}:{wanted}: there are {', '.join(MODES)}, each {' or '.join(LAYOUTS)}")
        if mode == "graph" and not chosen.is_cuda:
            options.error("only a GPU can replay graphs; leave the mode graph out")
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high" if chosen.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = chosen.precision == "tf32"
    torch.manual_seed(0)
    return chosen


# The networks, with random weights made on the device.


def unet(options, dtype=torch.float32, layout="contiguous"):
    with torch.device(options.device):
        model = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(options.model / "unet"))
    return arranged(model, dtype, layout)


def text_encoder(options, dtype=torch.float32):
    with torch.device(options.device):
        model = CLIPTextModel(CLIPTextConfig.from_pretrained(options.model / "text_encoder"))
    return model.to(dtype=dtype)


def autoencoder(options, dtype=torch.float32, layout="contiguous"):
    with torch.device(options.device):
        model = AutoencoderKL.from_config(AutoencoderKL.load_config(options.model / "vae"))
    return arranged(model, dtype, layout).eval()


def down_factor(autoencoder_configuration):
    """The pixels that one latent stands for, in each direction."""
    return 2 ** (len(autoencoder_configuration["block_out_channels"]) - 1)


def arranged(model, dtype, layout):
    # Not by the model's own `to`, which warns of weights that must stay float32 even where there are none.
    return torch.nn.Module.to(model, dtype=dtype, memory_format=LAYOUTS[layout])


def tokens(options, count):
    """Ids of prompts that are as long as they can be; which they are changes no time."""
    configuration = CLIPTextConfig.from_pretrained(options.model / "text_encoder")
    shape = (count, configuration.max_position_embeddings)
    return torch.randint(0, configuration.vocab_size, shape, device=options.device)


# Time and memory.


def milliseconds(options, work, count):
    """The median time of `work`."""
    if options.is_cuda:
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
        marks[0].record()
        for mark in marks[1:]:
            work()
            mark.record()
        torch.cuda.synchronize()
        times = [start.elapsed_time(end) for start, end in itertools.pairwise(marks)]
    else:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            work()
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def warmed_up(options, work):
    """`work`, after it has been carried out a few times and what memory only this took is forgotten."""
    for _ in range(WARM_UPS if options.is_cuda else 1):
        work()
    forget_memory(options)
    return work


def captured(options, work, prepare=lambda: None):
    """`work` as a CUDA graph: a function that replays all its kernels by one call.

    Everything `work` reads must stay where it is, and it must not wait for the device. `prepare` comes right before the
    capture: gradients that are None then are made in the memory of the graph, where every replay overwrites them. The
    memory that the graph holds shows while it is captured, so the peak counts from there on.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    prepare()
    forget_memory(options)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    graph.replay()
    return graph.replay


def forget_memory(options):
    gc.collect()
    if options.is_cuda:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def process_peak():
    """What the process has taken of the host's memory at most so far, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_memory(options):
    """What tensors have taken at most since `forget_memory`; on the CPU, what the process has taken at most so far."""
    if not options.is_cuda:
        return {"peak_bytes": process_peak()}
    return {"peak_bytes": torch.cuda.max_memory_allocated(), "reserved_bytes": torch.cuda.max_memory_reserved()}


# The lines.


def run(options, measure):
    """Prints one line of JSON for each mode. A mode that fails does not stop the others; the exit status tells."""
    failed = False
    for mode, layout in options.modes:
        about = {
            "implementation": "pytorch", "mode": mode, "layout": layout, "model": options.model.name,
            "resolution": options.resolution, "precision": options.precision, "device": options.device,
        }
        try:
            figures = measure(options, mode, layout)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            failed = True
            continue
        finally:
            forget_memory(options)
        print(json.dumps({**about, **figures, "process_peak_bytes": process_peak()}), flush=True)
    return 1 if failed else 0
