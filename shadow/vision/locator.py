"""The small network that finds the phone in a thumbnail; what is made of its map is in `scoring.locate`."""

from torch import Tensor, nn
from torch.nn import functional

from shadow.vision.network import doubled


class Locator(nn.Module):
    """Thumbnails (B, 3, 128, 128) in 0..1 to logits (B, 64, 64): is the phone here? Half a million products each."""

    def __init__(self) -> None:
        super().__init__()
        self.by_2 = _step(3, 12, 2)
        self.by_4 = _step(12, 24, 2)
        self.by_8 = nn.Sequential(_step(24, 32, 2), _step(32, 32, 1))
        self.by_16 = nn.Sequential(_step(32, 48, 2), _step(48, 48, 1), _step(48, 48, 1))
        self.up = nn.ModuleList([nn.Conv2d(48, 32, 1), nn.Conv2d(32, 24, 1), nn.Conv2d(24, 12, 1)])
        self.head = nn.Sequential(_step(12, 12, 1), nn.Conv2d(12, 1, 1))

    def forward(self, thumbnails: Tensor) -> Tensor:
        half = self.by_2((thumbnails - 0.3) * 3)  # (B, 12, 64, 64)
        quarter = self.by_4(half)  # (B, 24, 32, 32)
        eighth = self.by_8(quarter)  # (B, 32, 16, 16)
        x = self.by_16(eighth)  # (B, 48, 8, 8)
        for beside, merge in zip((eighth, quarter, half), self.up, strict=True):
            x = functional.relu(beside + doubled(merge(x)))
        logits: Tensor = self.head(x).squeeze(1)  # (B, 64, 64)
        return logits


def _step(inside: int, outside: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU())
