"""`wandb.Api()` of the unmodified client: filters, order, samples, edits."""

from __future__ import annotations

from typing import Any

from tests.needs import needs

MAKE = """
import sys, wandb
for i, (lr, norm) in enumerate([(0.1, "batch"), (0.2, "layer"), (0.3, "batch"), (0.4, "layer")]):
    config = {"lr": lr, "model": {"norm": norm}, "n": i}
    with wandb.init(project=sys.argv[1], id=f"r{i}", config=config, tags=[norm]) as run:
        for step in range(50):
            run.log({"score": i * step, "odd": step} if step % 2 else {"score": i * step})
"""


def test_filters_order_summary_and_samples(client: Any, project: str) -> None:
    client.python(MAKE, project)
    found = client.python(
        """
        import json, sys, wandb
        api, path = wandb.Api(), f"kag/{sys.argv[1]}"
        ids = lambda **words: [run.id for run in api.runs(path, **words)]
        run = api.run(f"{path}/r3")
        print(json.dumps({
            "all": ids(), "reverse": ids(order="-created_at"), "by_score": ids(order="-summary_metrics.score"),
            "by_lr": ids(order="+config.lr"), "lr": ids(filters={"config.lr": {"$gt": 0.15, "$lte": 0.3}}),
            "norm": ids(filters={"config.model.norm": "layer"}), "tag": ids(filters={"tags": "batch"}),
            "either": ids(filters={"$or": [{"config.n": 0}, {"summary_metrics.score": {"$gte": 147}}]}),
            "state": ids(filters={"state": "finished"}), "none": ids(filters={"state": "running"}),
            "regex": ids(filters={"display_name": {"$regex": "^r[12]$"}}),
            "pages": ids(per_page=1), "count": len(api.runs(path, filters={"tags": {"$in": ["layer"]}})),
            "full": [r.config["lr"] for r in api.runs(path, lazy=False)],
            "scan": [row["odd"] for row in run.scan_history(keys=["odd"], page_size=7)],
            "part": [row["_step"] for row in run.scan_history(min_step=10, max_step=14)],
            "samples": [row["_step"] for row in run.history(samples=5, pandas=False)],
            "chosen": run.history(keys=["odd"], samples=3, pandas=False),
            "summary": dict(run.summary)["score"],
        }))
        """,
        project,
    )
    assert found["all"] == found["pages"] == found["state"] == found["by_lr"] == ["r0", "r1", "r2", "r3"]
    assert found["reverse"] == found["by_score"] == ["r3", "r2", "r1", "r0"]
    assert (found["lr"], found["norm"], found["tag"]) == (["r1", "r2"], ["r1", "r3"], ["r0", "r2"])
    assert (found["either"], found["none"], found["regex"], found["count"]) == (["r0", "r3"], [], ["r1", "r2"], 2)
    assert found["full"] == [0.1, 0.2, 0.3, 0.4]
    assert found["scan"] == list(range(1, 50, 2))
    assert found["part"] == [10, 11, 12, 13]
    assert len(found["samples"]) == 5
    assert (found["samples"][0], found["samples"][-1]) == (0, 49)
    assert [row["odd"] for row in found["chosen"]] == [1, 25, 49]
    assert found["summary"] == 147


@needs("wandb", "0.31", "system metrics of a run of two seconds")
def test_system_metrics_are_read_back(client: Any, project: str) -> None:
    found = client.python(
        """
        import json, sys, wandb
        with wandb.init(project=sys.argv[1], id="first") as run:
            run.log({"score": 1})
        print(json.dumps(list(wandb.Api().run(f"kag/{sys.argv[1]}/first").system_metrics)))
        """,
        project,
    )
    assert any(name.startswith("system.") for name in found), found


def test_tags_notes_and_config_are_edited(client: Any, project: str) -> None:
    found = client.python(
        """
        import json, sys, wandb
        with wandb.init(project=sys.argv[1], id="first", config={"lr": 0.1}, tags=["a"]) as run:
            run.log({"score": 1})
        run = wandb.Api().run(f"kag/{sys.argv[1]}/first")
        run.tags.append("b"); run.notes = "seen"; run.name = "named"; run.config["extra"] = [1, 2]
        run.summary["best"] = 7
        run.update()
        again = wandb.Api().run(f"kag/{sys.argv[1]}/first")
        print(json.dumps([again.tags, again.notes, again.name, again.config, again.summary["best"], again.state]))
        """,
        project,
    )
    assert found == [["a", "b"], "seen", "named", {"lr": 0.1, "extra": [1, 2]}, 7, "finished"]


def test_a_run_is_deleted_and_a_project_listed(client: Any, project: str) -> None:
    found = client.python(
        """
        import json, sys, wandb
        wandb.init(project=sys.argv[1], id="first").finish()
        api = wandb.Api()
        listed = sys.argv[1] in [one.name for one in api.projects("kag")]
        run = api.run(f"kag/{sys.argv[1]}/first")
        console = [line for line in run.files()]
        run.delete()
        print(json.dumps([listed, len(api.runs(f"kag/{sys.argv[1]}")), api.viewer.username, api.default_entity]))
        """,
        project,
    )
    assert found == [True, 0, "tester", "kag"]


def test_a_user_reads_why_something_is_not_served_and_what_to_use_instead(client: Any, project: str) -> None:
    found = client.python(
        """
        import json, sys, wandb
        wandb.init(project=sys.argv[1], id="first").finish()
        try:
            list(wandb.Api().reports(f"kag/{sys.argv[1]}"))
        except Exception as error:
            print(json.dumps([str(error)]))
        """,
        project,
    )
    assert "kag does not serve W&B reports; `kag report` writes one" in found[0]


def test_what_the_server_does_not_know_is_null_and_named_in_its_log(make_client: Any) -> None:
    """Without `--strict`, which the other tests serve with."""
    server = make_client("sqlite").server
    assert server.graphql("{viewer{username shoeSize}}")["viewer"] == {"username": "tester", "shoeSize": None}
    assert server.log.read_text().count("unknown GraphQL field User.viewer.shoeSize") == 1
