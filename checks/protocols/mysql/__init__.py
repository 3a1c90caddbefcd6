"""MySQL and MariaDB: `check` asks.

- `answers` reads what comes back.
- `ed25519` signs for MariaDB.
- `login` holds the login methods.
"""

from k8sext.agent.late import modules_of

__getattr__ = modules_of(__name__)
