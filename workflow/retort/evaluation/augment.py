"""Applying planned views to images, in the order of the reference codes: patches, crop, colours, mixing."""

import torch
from torch import Tensor
from torch.nn import functional as F

from retort.evaluation.crops import resized_crops
from retort.evaluation.placed import placed
from retort.evaluation.views import Views
from retort.models.pixels import constant

# Principal colours of ImageNet's pixels in [0, 1] (Krizhevsky et al. 2012, as published with fb.resnet.torch): one per
# column, and how far pixels spread along each.
COLOURS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
SPREADS = (0.2175, 0.0188, 0.0045)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def apply_views(images: Tensor, views: Views) -> Tensor:
    """(B, 3, h, h) images in [-1, 1], already picked by views.rows, as the views (B, 3, side, side) show them.

    Bilinear. Where the views are smaller than the images, a crop is torchvision's `resized_crop` (`resized_crops`);
    where they are as large, what lies just outside a crop still counts for the outermost half pixel of it.
    """
    whole = images.shape[-1]
    side, views = views.side or whole, placed(views, images.device)
    if views.strips is not None:
        images = shuffle_patches(images, views.strips)
    if side != whole:
        images = resized_crops(images, views.boxes, views.flips, side)
    else:
        grid = _crop_grid(images, views, side)
        images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if views.tints is not None:
        images = tinted(images, views.tint_order, views.tints)
    if views.lights is not None:
        images = images + lights(views.lights)
    return mix(images, views)


def shuffle_patches(images: Tensor, strips: Tensor) -> Tensor:
    """The f columns of patches, then the f rows, in new orders: strips (B, 2, f); cut to a multiple of f (RDED)."""
    count = strips.shape[-1]
    for dim, order in ((3, strips[:, 0]), (2, strips[:, 1])):
        width = images.shape[dim] // count
        places = (order.long()[:, :, None] * width + torch.arange(width, device=images.device)).flatten(1)
        shape = [len(images), 1, 1, 1]
        shape[dim] = places.shape[1]
        size = list(images.shape)
        size[dim] = places.shape[1]
        images = images.gather(dim, places.view(shape).expand(size))
    return images


def tinted(images: Tensor, order: Tensor, strengths: Tensor) -> Tensor:
    """Images in [-1, 1] moved towards black (0), their mean grey (1) or their own grey (2), in each one's order.

    order (B, 3); strengths (B, 3): how far, in that order; negative is away from it. Nothing is clipped (IDC).
    """
    images = (images + 1) / 2
    weights = constant(LUMA, images.device).view(1, 3, 1, 1)
    for kind, strength in zip(order.unbind(1), strengths.unbind(1), strict=True):
        grey = (images * weights).sum(dim=1, keepdim=True)
        targets = torch.stack([torch.zeros_like(grey), grey.mean(dim=(2, 3), keepdim=True).expand_as(grey), grey])
        target = targets[kind.long(), torch.arange(len(images), device=images.device)]
        images = torch.lerp(images, target.expand_as(images), strength.view(-1, 1, 1, 1))
    return images * 2 - 1


def lights(strengths: Tensor) -> Tensor:
    """(B, 3, 1, 1) of what principal colours of given strengths (B, 3) add to images in [-1, 1]."""
    colours = constant(COLOURS, strengths.device) * constant(SPREADS, strengths.device)
    return 2 * (strengths @ colours.T)[:, :, None, None]


def mix(images: Tensor, views: Views) -> Tensor:
    """CutMix: the region of each image replaced by its partner's. MixUp: a blend of the two (Zhang et al. 2018)."""
    top, bottom, left, right = map(int, views.cut)
    partners = placed(views, images.device).partners.long()
    if bottom > top and right > left:
        images = images.clone()
        images[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    if views.blend != 1:
        images = float(views.blend) * images + (1 - float(views.blend)) * images[partners]
    return images


def _crop_grid(images: Tensor, views: Views, side: int) -> Tensor:
    """Where in the images (B, 3, ., .) each of the side x side pixels of the views is read."""
    top, left, height, width = views.boxes.unbind(1)
    mirror = torch.where(views.flips, -1.0, 1.0)
    maps = torch.zeros(len(images), 2, 3, device=images.device)
    maps[:, 0, 0], maps[:, 0, 2] = width * mirror, 2 * left + width - 1
    maps[:, 1, 1], maps[:, 1, 2] = height, 2 * top + height - 1
    return F.affine_grid(maps, [*images.shape[:2], side, side], align_corners=False)
