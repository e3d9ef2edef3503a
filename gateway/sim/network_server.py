"""A ChirpStack that is not there: the messages it would publish about radio devices."""

from __future__ import annotations

import base64
import json
import random
import uuid
from datetime import UTC, datetime

from .radio_sender import RadioSender


class NetworkServer:
    """Makes topic and JSON of each event; zero members are left out, as ChirpStack leaves them out."""

    def __init__(self, application: str = "17c82e96-be03-4f38-aef3-f83d48582d97", seed: int = 0) -> None:
        self._application, self._chance = application, random.Random(seed)

    def up(self, sender: RadioSender, dev_eui: str, *, gateways: int = 1) -> tuple[str, bytes]:
        """The next uplink of a sender, heard by so many gateways. The sender owes its readings from now on."""
        payload, f_port, f_cnt, readings = sender.told()
        sender.owed += readings
        heard = [
            {"gatewayId": f"aa555a00000001{n:02x}", "rssi": self._chance.randint(-118, -60), "snr": 5.5 - n}
            for n in range(gateways)
        ]
        said = self._head(dev_eui) | {
            "devAddr": f"{sender.dev_addr:08x}",
            "fCnt": f_cnt,
            "fPort": f_port,
            "data": base64.b64encode(payload).decode(),
            "rxInfo": heard,
            "txInfo": {
                "frequency": 923_200_000,
                "modulation": {"lora": {"bandwidth": 125_000, "spreadingFactor": 9, "codeRate": "CR_4_5"}},
            },
        }
        return self._topic(dev_eui, "up"), json.dumps({k: v for k, v in said.items() if v}).encode()

    def join(self, dev_eui: str) -> tuple[str, bytes]:
        """The device has joined."""
        return self._topic(dev_eui, "join"), json.dumps(self._head(dev_eui) | {"devAddr": "00189440"}).encode()

    def fault(self, dev_eui: str, why: str) -> tuple[str, bytes]:
        """Something is wrong with the device or with its settings."""
        said = self._head(dev_eui) | {"level": "ERROR", "code": "UPLINK_F_CNT_RETRANSMISSION", "description": why}
        return self._topic(dev_eui, "log"), json.dumps(said).encode()

    def _topic(self, dev_eui: str, event: str) -> str:
        return f"application/{self._application}/device/{dev_eui}/event/{event}"

    def _head(self, dev_eui: str) -> dict[str, object]:
        info = {"applicationId": self._application, "deviceName": dev_eui, "devEui": dev_eui}
        return {
            "deduplicationId": str(uuid.UUID(int=self._chance.getrandbits(128))),
            "time": datetime.now(UTC).isoformat(),
            "deviceInfo": info,
        }
