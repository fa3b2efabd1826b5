"""What the training scripts share: several devices under torchrun, a schedule in seconds, averages, picture sheets."""

import math
import os
import time

import numpy as np
import torch
import torch.distributed as distributed
from PIL import Image


class Workers:
    """The processes that train together, one for each device; one process when torchrun did not start us."""

    def __init__(self):
        self.rank, self.count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", 0))
        if torch.cuda.is_available():
            # A launcher may show each process only its own device, so that all share one cache of compiled kernels.
            self.device = torch.device("cuda", local % torch.cuda.device_count())
            torch.cuda.set_device(self.device)
        else:
            self.device = torch.device("cpu")
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True
        if self.count > 1:
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share_weights(self, parameters: list[torch.Tensor]) -> None:
        """Gives every process the first one's values."""
        if self.count > 1:
            for parameter in parameters:
                distributed.broadcast(parameter.data, 0)

    def average_gradients(self, parameters: list[torch.Tensor]) -> None:
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        pieces = flat.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [piece.view_as(g) for piece, g in zip(pieces, gradients)])

    def agree(self, value: float) -> float:
        """The largest of the processes' values."""
        if self.count == 1:
            return value
        tensor = torch.tensor([value], device=self.device, dtype=torch.float64)
        distributed.all_reduce(tensor, op=distributed.ReduceOp.MAX)
        return tensor.item()

    def close(self) -> None:
        if self.count > 1:
            distributed.destroy_process_group()


class Schedule:
    """Steps until a time is up: a short linear warm-up, then a cosine down to a share of the rate.

    The clock starts after `untimed` steps, so that compiling takes nothing from the time; `finish_by` (seconds since
    1970) shortens the time where compiling took too long.
    """

    def __init__(self, workers: Workers, seconds: float, rate: float, warm_up: int, untimed: int = 3,
                 finish_by: float = math.inf, last_share: float = 0.01):
        self.workers, self.seconds, self.rate, self.warm_up, self.untimed = workers, seconds, rate, warm_up, untimed
        self.step, self.progress, self.started = 0, 0.0, 0.0
        self.finish_by, self.last_share = finish_by, last_share

    def next(self, optimizer: torch.optim.Optimizer) -> bool:
        """Sets the rate of the coming step, or says that the time is up."""
        if self.step <= self.untimed:
            if self.workers.device.type == "cuda":
                torch.cuda.synchronize()
            self.started = time.time()
        elif self.step % 10 == 0:
            seconds = max(1.0, min(self.seconds, self.finish_by - self.started))
            self.progress = self.workers.agree((time.time() - self.started) / seconds)
        if self.progress >= 1:
            return False
        self.step += 1
        fall = self.last_share + (1 - self.last_share) * (1 + math.cos(math.pi * self.progress)) / 2
        for group in optimizer.param_groups:
            group["lr"] = self.rate * fall * min(1.0, self.step / self.warm_up)
        return True

    @property
    def steps_per_second(self) -> float:
        return (self.step - self.untimed) / max(time.time() - self.started, 1e-9)


class Average:
    """An exponential moving average of parameters, quick at first."""

    def __init__(self, parameters: list[torch.Tensor], decay: float = 0.999):
        self.parameters, self.decay, self.updates = parameters, decay, 0
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))
        torch._foreach_lerp_(self.values, [parameter.detach() for parameter in self.parameters], 1 - decay)

    @torch.no_grad()
    def put_in_place(self) -> None:
        """Gives the model the average."""
        torch._foreach_copy_([parameter.data for parameter in self.parameters], self.values)


def sheet(pictures: torch.Tensor, columns: int) -> Image.Image:
    """[n, 3, h, w] in -1...1, row by row."""
    count, _, height, width = pictures.shape
    values = ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    canvas = np.full((-(-count // columns) * height, columns * width, 3), 255, np.uint8)
    for index, picture in enumerate(values):
        row, column = divmod(index, columns)
        canvas[row * height:(row + 1) * height, column * width:(column + 1) * width] = picture
    return Image.fromarray(canvas)
