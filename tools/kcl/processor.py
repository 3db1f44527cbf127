"""A consumer of the real Kinesis Client Library: writes down every record it is given and checkpoints it.

    ZONEWATCH_KCL_OUTPUT=FOLDER python processor.py      (started by KCL's MultiLangDaemon, one process a shard)

FOLDER/SHARD.ndjson gets a line a record: {"sequence_number", "data"}, data in base64 as KCL gives it.
A record is written before it is checkpointed, so the file never has less than the checkpoint says.
"""

import json
import os
import sys
import time

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor

# Throttled, or the table did not answer: KCL's documentation asks the consumer to try again.
CHECKPOINT_TRIES = 5


class Recorder(processor.RecordProcessorBase):
    def initialize(self, initialize_input):
        path = os.path.join(os.environ["ZONEWATCH_KCL_OUTPUT"], initialize_input.shard_id + ".ndjson")
        # Line by line: a kill must not take with it what has been checkpointed.
        self.output = open(path, "a", buffering=1)

    def process_records(self, process_records_input):
        for record in process_records_input.records:
            line = {
                "sequence_number": record.sequence_number,
                "data": record.data,
            }
            self.output.write(json.dumps(line) + "\n")
        if process_records_input.records:
            checkpoint(process_records_input.checkpointer)

    def lease_lost(self, lease_lost_input):
        self.output.close()

    def shard_ended(self, shard_ended_input):
        checkpoint(shard_ended_input.checkpointer)

    def shutdown_requested(self, shutdown_requested_input):
        checkpoint(shutdown_requested_input.checkpointer)


def checkpoint(checkpointer):
    for attempt in range(CHECKPOINT_TRIES):
        try:
            checkpointer.checkpoint()
            return
        except kcl.CheckpointError as error:
            sys.stderr.write(f"checkpoint refused: {error.value}\n")
            if error.value == "ShutdownException":
                # Another worker has the lease.
                return
            time.sleep(1)
    sys.exit("checkpoint: no success after %d tries" % CHECKPOINT_TRIES)


if __name__ == "__main__":
    kcl.KCLProcess(Recorder()).run()
