"""What every fixture script shares: the pinned versions, determinism, and the manifest.

A golden is a safetensors file of whole tensors made by the real libraries. `write` is the only way
to make one, so that each stands in `goldens/MANIFEST.json` with its digest and its origin.
"""

import fcntl
import hashlib
import json
import pathlib
import re
from importlib import metadata

FIXTURES = pathlib.Path(__file__).resolve().parent
GOLDENS = FIXTURES / "goldens"
MANIFEST = GOLDENS / "MANIFEST.json"
ABOUT = "each golden's sha256, the script that wrote it and the library versions; kept by common.py"


def pinned_versions():
    """The versions in requirements.txt, after checking that they are the ones installed."""
    versions = {}
    for line in (FIXTURES / "requirements.txt").read_text().splitlines():
        if match := re.match(r"^([A-Za-z0-9_.-]+)==(\S+)$", line):
            name, wanted = match.groups()
            installed = metadata.version(name)
            if installed.split("+")[0] != wanted.split("+")[0]:
                raise SystemExit(f"{name} {wanted} is pinned, {installed} is installed: "
                                 "pip install -r Fixtures/requirements.txt")
            versions[name] = installed
    return versions


def deterministic(seed=0):
    """One thread and deterministic kernels: the same bytes from run to run on the same machine."""
    import numpy
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    numpy.random.seed(seed)


def write(name, tensors, source):
    """Writes `goldens/<name>.safetensors` from a dict of torch or numpy arrays and records it.

    `source` is the calling script's `__file__`.
    """
    import torch
    from safetensors.torch import save_file

    tensors = {key: torch.as_tensor(value).detach().contiguous().clone() for key, value in tensors.items()}
    path = GOLDENS / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(path), metadata={"format": "pt"})
    path.chmod(0o644)
    record(path, source)


def write_json(name, value, source, indent=1):
    """Writes `goldens/<name>.json` and records it."""
    path = GOLDENS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False) + "\n")
    record(path, source)


def record(path, source):
    """Enters a file under `Fixtures/` into the manifest, replacing an older entry of the same file."""
    path = pathlib.Path(path).resolve()
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    with open(MANIFEST, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        entries = json.loads(text) if text else {"about": ABOUT}
        entries[path.relative_to(FIXTURES).as_posix()] = {
            "sha256": digest(path),
            "script": pathlib.Path(source).resolve().relative_to(FIXTURES).as_posix(),
            "versions": pinned_versions(),
        }
        file.seek(0)
        file.truncate()
        file.write(manifest_text(entries))


def manifest_text(entries):
    """One line per file and the comma in front, so that git's union merge of two branches is valid JSON."""
    lines = [f"{json.dumps(key)}: {json.dumps(entries[key], sort_keys=True)}" for key in sorted(entries)]
    return "{" + "\n,".join(lines) + "\n}\n"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_manifest():
    """Compares every recorded file with its digest; returns the names that differ or are missing."""
    entries = json.loads(MANIFEST.read_text())
    del entries["about"]
    return [file for file, entry in entries.items()
            if not (FIXTURES / file).exists() or digest(FIXTURES / file) != entry["sha256"]]


if __name__ == "__main__":
    differing = check_manifest()
    for name in differing:
        print(f"differs from the manifest: {name}")
    raise SystemExit(1 if differing else 0)
