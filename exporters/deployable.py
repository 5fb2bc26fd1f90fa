"""The same network in layers that microcontroller runtimes have and compute alike.

- A global average (adaptive pooling to 1x1, or a mean over height and width) becomes ``AvgPool2d``: AVERAGE_POOL_2D
  instead of MEAN, which code generators for microcontrollers do not take.
- A linear layer on a 1x1 map becomes the equal 1x1 convolution: TensorFlow Lite Micro's fully connected layer rounds
  twice where LiteRT's rounds once, its convolution does not, so that both put out the same bytes.

Nothing else is touched, batch norm included: the converters fold it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import fx, nn


def deployable(module: nn.Module, example: Any) -> nn.Module:
    """``module`` rewritten as above; unchanged where it cannot be traced (data-dependent control flow).

    Args:
        module: in evaluation mode.
        example: one input, float32 ``(1, C, H, W)``: the rewrite is for its size.
    """
    from torch import fx
    from torch.fx.passes.shape_prop import ShapeProp

    try:
        traced = fx.symbolic_trace(module)
    except Exception:  # noqa: BLE001  # whatever the tracer meets: the module is then converted as it is
        return module
    ShapeProp(traced).propagate(example)
    for node in list(traced.graph.nodes):
        _average_by_pooling(traced, node)
    for node in list(traced.graph.nodes):
        _linear_by_convolution(traced, node)
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced.eval()


def _average_by_pooling(traced: fx.GraphModule, node: fx.Node) -> None:
    from torch import nn

    if not _is_global_average(traced, node):
        return
    source = node.args[0]
    height, width = _shape(source)[2:]
    name = f"{node.name}_pool"
    traced.add_submodule(name, nn.AvgPool2d((height, width)))
    with traced.graph.inserting_after(source):  # type: ignore[arg-type]  # an input node
        pooled = traced.graph.call_module(name, (source,))
    pooled.meta["shape"] = (*_shape(source)[:2], 1, 1)
    result = pooled
    if len(_shape(node)) == 2:  # a mean without keepdim
        with traced.graph.inserting_after(pooled):
            result = traced.graph.call_function(_flatten(), (pooled, 1))
        result.meta["shape"] = _shape(node)
    node.replace_all_uses_with(result)


def _is_global_average(traced: fx.GraphModule, node: fx.Node) -> bool:
    import torch
    from torch import nn

    if not node.args or len(_shape(node.args[0])) != 4:
        return False
    if node.op == "call_module":
        return isinstance(traced.get_submodule(str(node.target)), nn.AdaptiveAvgPool2d) and _shape(node)[2:] == (1, 1)
    if node.target is nn.functional.adaptive_avg_pool2d:
        return _shape(node)[2:] == (1, 1)
    if node.target in (torch.mean, "mean"):
        given = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        axes = tuple(given) if isinstance(given, list | tuple) else (given,)
        return {a % 4 for a in axes if isinstance(a, int)} == {2, 3}
    return False


def _linear_by_convolution(traced: fx.GraphModule, node: fx.Node) -> None:
    from torch import nn

    if node.op != "call_module" or not isinstance(linear := traced.get_submodule(str(node.target)), nn.Linear):
        return
    source = _map_behind(traced, node.args[0])
    if source is None:
        return
    name = f"{node.name}_conv"
    convolution = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=linear.bias is not None)
    convolution.weight.data = linear.weight.detach()[:, :, None, None].clone()
    if linear.bias is not None and convolution.bias is not None:
        convolution.bias.data = linear.bias.detach().clone()
    traced.add_submodule(name, convolution)
    with traced.graph.inserting_before(node):
        mapped = traced.graph.call_module(name, (source,))
        flat = traced.graph.call_function(_flatten(), (mapped, 1))
    mapped.meta["shape"] = (1, linear.out_features, 1, 1)
    flat.meta["shape"] = (1, linear.out_features)
    node.replace_all_uses_with(flat)


def _map_behind(traced: fx.GraphModule, node: Any) -> Any:
    """The ``(1, C, 1, 1)`` node that ``node`` flattens, looking through dropout; ``None`` where there is none."""
    from torch import nn

    while len(_shape(node)) == 2:
        passes = node.target in (_flatten(), "flatten")
        if node.op == "call_module":
            passes = isinstance(traced.get_submodule(str(node.target)), nn.Flatten | nn.Dropout | nn.Identity)
        if not passes:
            return None
        node = node.args[0]
    return node if _shape(node)[2:] == (1, 1) else None


def _flatten() -> Any:
    import torch

    return torch.flatten


def _shape(node: Any) -> tuple[int, ...]:
    """Of a node's value; ``()`` for what is no tensor."""
    meta = getattr(node, "meta", {})
    if "shape" in meta:
        return tuple(meta["shape"])
    found: Any = meta.get("tensor_meta")
    return tuple(found.shape) if hasattr(found, "shape") else ()
