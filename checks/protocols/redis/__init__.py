"""Redis, Sentinel and Cluster: `check` asks.

- `answers` reads what comes back.
- `info` reads INFO.
- `resp` knows the message format.
"""

from k8sext.agent.late import modules_of

__getattr__ = modules_of(__name__)
