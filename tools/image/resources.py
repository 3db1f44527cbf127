"""Makes what a worker needs on the emulators, and waits until it is there.

resources.py STREAM DELIVERY_STREAM BUCKET     their addresses come from ZONEWATCH_TEST_KINESIS and ZONEWATCH_TEST_AWS
"""

import os
import sys
import time

import boto3

PATIENCE_SECS = 60


def until(what, answer, wanted):
    deadline = time.monotonic() + PATIENCE_SECS
    while answer() != wanted:
        if time.monotonic() > deadline:
            sys.exit(f"{what} is not {wanted} after {PATIENCE_SECS} s")
        time.sleep(0.1)


def main(stream, delivery_stream, bucket):
    kinesis = boto3.client("kinesis", endpoint_url=os.environ["ZONEWATCH_TEST_KINESIS"])
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    state = lambda: kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"]
    until(stream, state, "ACTIVE")

    aws = os.environ["ZONEWATCH_TEST_AWS"]
    boto3.client("s3", endpoint_url=aws).create_bucket(Bucket=bucket)
    firehose = boto3.client("firehose", endpoint_url=aws)
    target = {"RoleARN": "arn:aws:iam::000000000000:role/firehose", "BucketARN": f"arn:aws:s3:::{bucket}"}
    firehose.create_delivery_stream(
        DeliveryStreamName=delivery_stream, DeliveryStreamType="DirectPut", ExtendedS3DestinationConfiguration=target
    )
    describe = lambda: firehose.describe_delivery_stream(DeliveryStreamName=delivery_stream)
    until(delivery_stream, lambda: describe()["DeliveryStreamDescription"]["DeliveryStreamStatus"], "ACTIVE")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
