"""Names of internal columns and of the prediction log's columns, each written once.

A prefix keeps them apart from the columns of the data. They are in stored files: none may change.
"""

# Labelled and numbered rows, through preparation, training, evaluation and monitoring.
ROW, TIME, TARGET, MATURED = (f"perennial.{name}" for name in ("row", "time", "target", "matured"))
ROLE = "perennial.part"  # a row's `SplitRole`
FALSE_ALARM, MISSED = "perennial.false_alarm", "perennial.missed"  # what a mistake on it costs
THRESHOLD = "perennial.threshold"  # from which probability on its answer was yes
WEIGHT = "perennial.weight"  # only there where the definition weighs rows
LEARNED_OFFSET = "perennial.learned_offset"  # of log odds, by which a model is off where it learned
GROUP = "perennial.group"  # a hash of what [training] group says of a row; only there with one
PREDICTION = "perennial.prediction"
LOW, HIGH = "perennial.low", "perennial.high"  # a prediction's interval
CHALLENGER_PREDICTION = "perennial.yardstick"
FOUND = "perennial.found"  # whether a join found a row's other side

# Feature tables, joined as of a row's time.
SINCE = "perennial.since"  # from when on a value counts
EVENTS = "perennial.events"  # how many events count
AT = "perennial.at"

# The prediction log: when a row was asked, by which request, of which version, and the answer.
LOGGED = LOGGED_TIME, LOGGED_REQUEST, LOGGED_VERSION, LOGGED_PREDICTION = tuple(
    f"__{name}" for name in ("time", "request", "version", "prediction")
)
LOGGED_INTERVAL = "__interval"  # only of versions that give intervals
LOGGED_CORRECTION = "__correction"  # of a base rate that is followed, and else not there
FILE = "perennial.file"
START = "perennial.start"
EARLY = "perennial.early"  # whether a label came true before it was predicted
