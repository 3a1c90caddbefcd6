package io.k8sext.lab;

import com.netflix.discovery.EurekaClientConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.EurekaClientConfigBean;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.scheduling.annotation.EnableScheduling;
import org.springframework.scheduling.annotation.Scheduled;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.stereotype.Component;

/** A Eureka server as teams write it: three annotations, and a login where one is asked for. */
@SpringBootApplication
@EnableEurekaServer
@EnableScheduling
public class EurekaServer {
  public static void main(String[] arguments) {
    SpringApplication.run(EurekaServer.class, arguments);
  }

  /** Basic for all pages, or for none; without CSRF, as clients' PUT and POST bring no token. */
  @Bean
  SecurityFilterChain chain(HttpSecurity http, @Value("${lab.login:false}") boolean login)
      throws Exception {
    http.csrf(csrf -> csrf.disable());
    http.authorizeHttpRequests(
        all -> {
          if (login) {
            all.anyRequest().authenticated();
          } else {
            all.anyRequest().permitAll();
          }
        });
    return http.httpBasic(Customizer.withDefaults()).build();
  }

  /**
   * The peers' addresses from a file: the lab knows the second server's only after the first one
   * runs. Eureka itself asks its configuration for them every now and then.
   */
  @Component
  static class Peers {
    private final EurekaClientConfigBean client;
    private final Path file;

    Peers(EurekaClientConfig client, @Value("${lab.peers}") Path file) {
      this.client = (EurekaClientConfigBean) client;
      this.file = file;
    }

    @Scheduled(fixedDelay = 500)
    void read() throws IOException {
      if (Files.exists(file)) {
        client.getServiceUrl().put("defaultZone", Files.readString(file).strip());
      }
    }
  }
}
