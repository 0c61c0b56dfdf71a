"""`Scorer`: the weights of a file on data, of their run or any other, and the threshold of the run's own val."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kag.data.batches import evaluation_batches
from kag.data.facts import as_trained
from kag.data.opened import open_sites
from kag.data.sites import Purpose, Sites
from kag.data.tables import SiteTables
from kag.data.whereabouts import FOLDER_OF_DATA, KnownData, Say
from kag.errors import CheckpointError, DataError
from kag.model.network import Network
from kag.names import ALL, SPLITS, Part
from kag.spec.run import Precision
from kag.text import digest
from kag.track.folder import RunFolder
from kag.track.output import Output
from kag.track.result import Result
from kag.weights.checkpoint import StoredWeights, load_network
from kag.weights.evaluate import Predictions, Progress, evaluate, score
from kag.weights.given import fastest_device, folder_of, measured_in, own_clusters, own_data, require_recorded


@dataclass(frozen=True, eq=False)
class Scorer:
    """A network on the data that it is to score."""

    weights: StoredWeights
    network: Network
    sites: Sites
    """As the weights know them."""
    recorded: tuple[Result, ...]
    """What the record of their run says of these weights."""
    unchecked: tuple[str, ...]
    known: KnownData
    """The data that the weights were trained on."""
    precision: Precision
    """Number format in which the run has measured val, and so all of this."""
    say: Say

    @classmethod
    def of(
        cls,
        path: Path,
        data: Path | None,
        purpose: Purpose,
        out: Output | None = None,
        say: Say = lambda sentence: None,
        clusters: Path | None = None,
    ) -> Scorer:
        """The weights of a file on a data file; None is the one that their spec names, wherever it lies now.

        Args:
            out: a file that is to be written; it must be free.
            say: told where data are found that were moved.
            clusters: csv file of which proteins belong together; without it that of the run's spec for its own data,
                and of another data file what this says itself. A prediction takes none.

        Raises:
            UserError: `out` is not free.
            CheckpointError: the file is not a checkpoint, or not the one that its run's record names.
            DataError: the data is at fault, not for this purpose, or does not fit the weights.
        """
        network, weights = load_network(path, fastest_device())
        require_recorded(weights, path)
        own = own_data(weights, path)
        if out is not None:
            out.require_free(path, data or own.file)
        if purpose is not Purpose.PREDICTION and data is None:
            clusters = clusters or own_clusters(weights, path)
        read = partial(open_sites, purpose=purpose, clusters=clusters, say=say)
        found = read(data) if data else own.find(read=read, say=say)
        if out is not None:
            out.require_free(found.path)
        sites, unchecked = as_trained(found, weights.data)
        recorded, precision = _recorded(folder_of(path), weights), measured_in(weights, path)
        return cls(weights, network, sites, recorded, unchecked, own, precision, say)

    @property
    def own(self) -> bool:
        """Whether the weights were trained on these data."""
        return self.sites.digest == self.weights.data.data_digest

    def wanted(self, splits: Sequence[Part]) -> tuple[Part, ...]:
        """The splits to report, each once; if none are asked for, val of the own data, everything of other data.

        Raises:
            DataError: the data has no such split, or all rows of the own data are meant.
        """
        wanted = tuple(dict.fromkeys(splits)) or (("val",) if self.own else self.sites.parts)
        if self.own and ALL in wanted:
            raise DataError("the weights have seen some of these rows", where="--split all", nearest=", ".join(SPLITS))
        for split in wanted:
            if len(self.sites.index(split)) == 0:
                raise DataError(
                    f"this file has no {split} split", where=str(self.sites.path), nearest=", ".join(self.sites.parts)
                )
        return wanted

    def score(
        self, splits: Iterable[Part], progress: Progress = lambda done, total: None, precision: Precision | None = None
    ) -> Predictions:
        """Logits of the points of some splits, each once; None takes the run's own number format."""
        tables = SiteTables.from_sites(self.sites, self.weights.data.max_distance).to(fastest_device())
        batches = [batch for split in dict.fromkeys(splits) for batch in evaluation_batches(self.sites, split)]
        return score(self.network, tables, batches, precision=precision or self.precision, progress=progress)

    def val_threshold(self) -> float | None:
        """The logit that the run's own val chose: as recorded, else chosen anew on the run's data, else None."""
        recorded = (each for each in self.recorded if (each.split, each.metric) == ("val", "threshold"))
        if (known := next(recorded, None)) is not None:
            return known.value
        own = self.known.search(say=self.say).data
        if own is None:
            return None
        tables = SiteTables.from_sites(own, self.weights.data.max_distance).to(fastest_device())
        return evaluate(self.network, own, tables, "val", precision=self.precision, samples=0).threshold

    def required_threshold(self) -> float:
        """The same.

        Raises:
            CheckpointError: nobody knows it.
        """
        threshold = self.val_threshold()
        if threshold is None:
            file, trained_on = self.known.file, digest(self.known.digest)
            raise CheckpointError(
                f"nobody knows the threshold that val chose for these weights ({digest(self.weights.weights_digest)}): "
                f"no record has it, and `{file}` is gone or is not the data {trained_on} that they were trained on",
                remedy=f"name the run that delivered them, or put its data file back at `{file}`, "
                f"or into the folder that {FOLDER_OF_DATA} names",
            )
        return threshold


def _recorded(folder: RunFolder | None, weights: StoredWeights) -> tuple[Result, ...]:
    found = folder.read_record().results if folder else ()
    return tuple(result for result in found if result.weights_digest == weights.weights_digest)
