"""The embedded broker's own process: `python -m gateway.sim.rumqttd CONFIG`. Runs until it is killed."""

from __future__ import annotations

import logging
import sys

from iotcore import IotCoreBroker


def main() -> None:
    """Run the broker that the rumqttd configuration file describes."""
    logging.basicConfig(level=logging.WARNING)
    # rumqttd opens an error span for every packet: without this line its log grows with the traffic.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    IotCoreBroker(config_path=sys.argv[1]).run_forever()


if __name__ == "__main__":
    main()
