package io.k8sext.lab;

import com.xxl.job.core.executor.impl.XxlJobSimpleExecutor;
import com.xxl.job.core.handler.annotation.XxlJob;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * The article's msa-ext-job: the real executor library with one job, configured by the environment
 * as its application-k8s.yml does by properties (xxl.job.admin.addresses, …).
 */
public final class Executor {
  /** What the admin calls. */
  public static final class Jobs {
    @XxlJob("one")
    public void one() {
      System.out.println("job one: called");
    }
  }

  public static void main(String[] arguments) throws Exception {
    XxlJobSimpleExecutor executor = new XxlJobSimpleExecutor();
    executor.setAdminAddresses(told("XXL_JOB_ADMIN_ADDRESSES", ""));
    executor.setAccessToken(told("XXL_JOB_ACCESS_TOKEN", ""));
    executor.setAppname(told("XXL_JOB_EXECUTOR_APPNAME", "msa-ext-job"));
    executor.setAddress(told("XXL_JOB_EXECUTOR_ADDRESS", ""));
    executor.setIp(told("XXL_JOB_EXECUTOR_IP", ""));
    executor.setPort(Integer.parseInt(told("XXL_JOB_EXECUTOR_PORT", "9999")));
    executor.setLogPath(told("XXL_JOB_EXECUTOR_LOGPATH", "/tmp/xxl-job"));
    executor.setLogRetentionDays(30);
    executor.setXxlJobBeanList(List.of(new Jobs()));
    executor.start();
    // Takes its registration away when it is ended, as a Spring application does.
    Runtime.getRuntime().addShutdownHook(new Thread(executor::destroy));
    new CountDownLatch(1).await();
  }

  private static String told(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isBlank() ? otherwise : value;
  }
}
