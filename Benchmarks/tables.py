"""The tables that `compare` prints: medians over the rounds, and how many times faster dbtool is."""

import statistics

# What is shown of a work, and under which name.
FIGURES = {
    "forward_ms": "forward", "forward_backward_ms": "forward and backward", "step_ms": "training step",
    "sampling_step_ms": "guided sampling step", "sample_ms": "picture's latents", "decode_ms": "decoding",
    "encode_ms": "encoding", "text_encoder_ms": "text encoder",
}


def column(record):
    """The heading under which a record's figures stand."""
    if record["implementation"] == "dbtool":
        return record["side"]
    if record["device"] == "cpu":
        return record["side"] + ("" if record["mode"] == "eager" else f" {record['mode']}")
    return record["mode"] + (" NHWC" if record["layout"] == "channels_last" else " NCHW")


def medians(found, device):
    """The median of each figure that was measured, by column."""
    # On the CPU PyTorch does not count the memory of tensors, so that only whole processes can be compared. Two steps
    # make no picture.
    memory = "process_peak_bytes" if device == "cpu" else "peak_bytes"
    figures = {}
    for figure in [*FIGURES, memory]:
        if device == "cpu" and figure == "sample_ms":
            continue
        for name in dict.fromkeys(column(record) for record in found):
            values = [record[figure] for record in found if column(record) == name and record.get(figure) is not None]
            if values:
                figures.setdefault(figure, {})[name] = statistics.median(values)
    return figures


def ratios(values):
    """PyTorch's time over dbtool's, with PyTorch as it is by default and at its best."""
    others = [value for name, value in values.items() if name not in ("dbtool", "fast")]
    if not others or "dbtool" not in values:
        return None, None
    return values.get("pytorch", others[0]) / values["dbtool"], min(others) / values["dbtool"]


def markdown(works):
    """One table of all works, from the figures of each."""
    columns = list(dict.fromkeys(name for figures in works.values() for values in figures.values() for name in values))
    rows = [["work", *columns, "ratio", "to the best"], ["---"] * (len(columns) + 3)]
    for work, figures in works.items():
        for figure, values in figures.items():
            label = f"{work}: {FIGURES.get(figure, 'memory of the process' if 'process' in figure else 'memory')}"
            cells = [shown(figure, values.get(name)) for name in columns]
            rows.append([label, *cells, *["" if ratio is None else f"{ratio:.2f}" for ratio in ratios(values)]])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def shown(figure, value):
    if value is None:
        return ""
    if figure.endswith("_bytes"):
        return f"{value / 1e9:.2f} GB"
    return f"{value / 1e3:.2f} s" if value >= 1e3 else f"{value:.1f} ms"
