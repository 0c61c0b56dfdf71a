"""What preflight is told of the data and the devices of a run."""

from __future__ import annotations

from kag.data.batches import most_of_residue, points_of_epoch, rounds_of
from kag.data.sites import Sites
from kag.spec.facts import Facts
from kag.spec.run import RunSpec
from kag.track.world import World
from kag.train.task import this_machine


def circumstances(spec: RunSpec, sites: Sites, world: World) -> Facts:
    """Of a run of a spec on data, in a world on this machine."""
    processes = world.processes or 1
    return Facts(
        batches_per_epoch=rounds_of(points_of_epoch(sites, spec.data), spec.data.batch_size, processes),
        points_of_residue=most_of_residue(sites, spec.data),
        device=world.device,
        formats=this_machine().formats,
        processes=processes,
    )
