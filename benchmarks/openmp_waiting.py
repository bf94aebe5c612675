"""Tokens a second of the embedded chat model with its adapter, by how OpenMP's threads wait.

    python -m benchmarks.openmp_waiting --models ~/.local/share/sensorium/models [--at-once 2]

Each setting is a process of its own, since it is read when OpenMP loads; with ``--at-once 2`` two of them share the
cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from engines.text.llama_server import LlamaOptions, LlamaServer

SETTINGS: dict[str, dict[str, str]] = {
    "sleep at once": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"},
    "200 spins": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "200"},
    "1000 spins": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"},
    "never sleep": {"OMP_WAIT_POLICY": "active"},
}
_ASKED = (
    "Files: A image gel.png; B audio lab.wav\nRequest: Read what the lane labels of gel.png say, count the bands, type "
    "up my remark in lab.wav, then put it into French and read that aloud."
)


@click.command()
@click.option("--models", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--threads", type=int, default=os.cpu_count() or 1, show_default=True)
@click.option("--at-once", type=int, default=1, show_default=True, help="Programs that work at the same time.")
@click.option("--here", is_flag=True, hidden=True)
def main(models: Path, threads: int, at_once: int, here: bool) -> None:
    """Compare the settings."""
    if here:
        click.echo(" ".join(f"{rate:.1f}" for rate in _rates(models, threads)))
        return
    command = [sys.executable, "-m", "benchmarks.openmp_waiting", "--models", str(models), "--threads", str(threads)]
    for name, settings in SETTINGS.items():
        environment = {**os.environ, **settings}
        started = [
            subprocess.Popen([*command, "--here"], env=environment, stdout=subprocess.PIPE, text=True)  # this program
            for _ in range(at_once)
        ]
        said = [process.communicate()[0].strip() for process in started]
        click.echo(f"{name:>14}: prompt and answer, tokens a second: {'; '.join(said)}")


def _rates(models: Path, threads: int) -> tuple[float, float]:
    """Of the prompt and of the answer, the better of two runs."""
    options = LlamaOptions(context_tokens=2048, slots=1, adapters={"plan": Path("planner/adapter.gguf")})
    (gguf,) = (models / "qwen2.5-coder-1.5b").glob("*.gguf")
    server = LlamaServer(gguf, options, threads=threads, gpu=False)
    try:
        runs = [_run(server, f"{number} {_ASKED}") for number in range(2)]
    finally:
        server.close()
    return max(run[0] for run in runs), max(run[1] for run in runs)


def _run(server: LlamaServer, asked: str) -> tuple[float, float]:
    timings: dict[str, float] = {}
    body = {
        "messages": [{"role": "system", "content": "Plan."}, {"role": "user", "content": asked}],
        "max_tokens": 64,
        "temperature": 0,
        "stream": True,
        "cache_prompt": False,
        "timings_per_token": True,
        "lora": [{"id": 0, "scale": 1.0}],
    }
    server.complete(body, lambda chunk: bool(timings.update(chunk.get("timings", {}))))
    return timings["prompt_per_second"], timings["predicted_per_second"]


if __name__ == "__main__":
    main()
