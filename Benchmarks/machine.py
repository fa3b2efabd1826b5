"""What figures hold for: the processor, the GPUs and the versions of what computes."""

import os
import pathlib
import platform
import subprocess
from importlib import metadata

PACKAGES = ["torch", "diffusers", "transformers", "nvidia-cudnn-cu13", "nvidia-cublas", "triton"]


def description():
    """The machine as a dictionary of texts and numbers."""
    return {
        "system": f"{platform.system()} {platform.release()}, glibc {platform.libc_ver()[1]}",
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": gpus(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := installed(name))},
    }


def text(about):
    """The machine in a few lines."""
    memory = about["memory_bytes"] / 1e9
    lines = [f"{about['processor']}, {about['processors']} processors, {memory:.0f} GB", *about["gpus"]]
    lines.append(", ".join(f"{name} {version}" for name, version in about["packages"].items()))
    return "\n".join(lines)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


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
