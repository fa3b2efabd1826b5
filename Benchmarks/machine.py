"""What figures hold for: the processor, the GPUs and the versions of what computes."""

import os
import pathlib
import platform
import shlex
import subprocess
from importlib import metadata

PACKAGES = ["torch", "diffusers", "transformers", "nvidia-cudnn-cu13", "nvidia-cublas", "triton"]
CPUINFO = pathlib.Path("/proc/cpuinfo")
CACHES = pathlib.Path("/sys/devices/system/cpu/cpu0/cache")
# The instructions on vectors that tell processors apart.
FEATURES = ["avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd"]


def description(dbtool=None):
    """The machine as a dictionary of texts and numbers; with dbtool's command also what that makes of it."""
    return {
        "system": f"{platform.system()} {platform.release()}, glibc {platform.libc_ver()[1]}",
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "caches": caches(),
        "dbtool": devices(dbtool) if dbtool else [],
        "gpus": gpus(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := installed(name))},
    }


def text(about):
    """The machine in a few lines."""
    memory = about["memory_bytes"] / 1e9
    lines = [f"{about['processor']}, {about['processors']} processors, {memory:.0f} GB"]
    lines += ["caches: " + ", ".join(about["caches"])] if about["caches"] else []
    lines += [f"dbtool: {line}" for line in about["dbtool"]] + about["gpus"]
    lines.append(", ".join(f"{name} {version}" for name, version in about["packages"].items()))
    return "\n".join(line for line in lines if line)


def processor():
    """Its name, which may say little in a virtual machine, its family and model, and what vectors it has."""
    if not CPUINFO.exists():
        return platform.machine()
    pairs = (line.partition(":") for line in CPUINFO.read_text().partition("\n\n")[0].splitlines())
    about = {name.strip(): value.strip() for name, _, value in pairs}
    numbers = [f"{name} {about[key]}" for name, key in [("family", "cpu family"), ("model", "model")] if key in about]
    known = about.get("flags", about.get("Features", "")).split()
    return ", ".join([about.get("model name", platform.machine()), *numbers, *[name for name in FEATURES if name in known]])


def caches():
    """The caches that the first processor uses."""
    def read(cache, name):
        return (cache / name).read_text().strip()
    return [
        f"L{read(cache, 'level')} {read(cache, 'size')}" for cache in sorted(CACHES.glob("index*"))
        if read(cache, "type") != "Instruction"
    ]


def devices(dbtool):
    """What `dbtool devices` says of the processor: threads, instruction set and OpenBLAS's kernels."""
    outcome = subprocess.run([*shlex.split(dbtool), "devices"], capture_output=True, text=True)
    lines = outcome.stdout.partition("\n\n")[0].splitlines()
    return [" ".join(line.removeprefix("cpu").split()) for line in lines if not line.startswith("cuda")]


def gpus():
    """Name, driver and memory of each GPU; nothing where there is no driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        outcome = subprocess.run(query, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    names = []
    for line in outcome.stdout.splitlines():
        name, driver, memory = (part.strip() for part in line.split(","))
        names.append(f"{name}, {memory}, driver {driver}")
    return names


def installed(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
