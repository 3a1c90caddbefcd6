"""Spring Boot Actuator: `check` asks, `answers` reads what comes back."""

from k8sext.agent.late import modules_of

__getattr__ = modules_of(__name__)
