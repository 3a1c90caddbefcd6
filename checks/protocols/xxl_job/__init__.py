"""The XXL-JOB admin: `check` asks.

- `answers` reads what comes back.
- `log` reads the job log.
- `pages` asks for its pages.
- `reverse` registers an executor.
"""

from k8sext.agent.late import modules_of

__getattr__ = modules_of(__name__)
