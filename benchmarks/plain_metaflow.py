"""The plain steps as a Metaflow flow, frames and models passed on as its artifacts.

Run by `benchmarks.retrain` in the peers' environment, as `python plain_metaflow.py run`.
"""

from metaflow import FlowSpec, step

from benchmarks import plain


class Retrain(FlowSpec):
    @step
    def start(self):
        plain.extract("metaflow.parquet")
        self.next(self.prepare)

    @step
    def prepare(self):
        self.table = plain.prepare("metaflow.parquet")
        self.next(self.train)

    @step
    def train(self):
        self.models = plain.train(self.table)
        self.next(self.end)

    @step
    def end(self):
        plain.evaluate(self.table, self.models)


if __name__ == "__main__":
    Retrain()
