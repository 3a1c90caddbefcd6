package io.k8sext.lab.sentinel;

import com.alibaba.csp.sentinel.Entry;
import com.alibaba.csp.sentinel.SphU;
import com.alibaba.csp.sentinel.heartbeat.HeartbeatSenderProvider;
import com.alibaba.csp.sentinel.slots.block.BlockException;
import com.alibaba.csp.sentinel.transport.config.TransportConfig;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * An application guarded by the real Sentinel client and by nothing else: one call a second of the
 * resource "hello", the command centre, the heartbeat. All settings are the client's own
 * (-Dcsp.sentinel.dashboard.server=..., -Dproject.name=...).
 *
 * <p>The one argument names a file that appears when the dashboard has taken a heartbeat: the
 * client itself sends its first one only after five seconds.
 */
public final class Client {
  private Client() {}

  public static void main(String[] arguments) throws Exception {
    Path registered = arguments.length > 0 ? Path.of(arguments[0]) : null;
    if (registered != null) {
      Files.deleteIfExists(registered);
    }
    for (long call = 0; ; call++) {
      hello();
      if (registered != null && TransportConfig.getRuntimePort() > 0 && beat()) {
        Files.writeString(registered, TransportConfig.getPort());
        System.out.println("registered, command centre on " + TransportConfig.getPort());
        registered = null;
      }
      Thread.sleep(call < 20 ? 100 : 1000);
    }
  }

  private static boolean beat() throws Exception {
    return HeartbeatSenderProvider.getHeartbeatSender().sendHeartbeat();
  }

  private static void hello() {
    try (Entry ignored = SphU.entry("hello")) {
      // What an application would do here is nothing to Sentinel.
    } catch (BlockException blocked) {
      System.out.println("blocked by " + blocked.getRule());
    }
  }
}
