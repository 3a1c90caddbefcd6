package io.k8sext.lab;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.web.SecurityFilterChain;

/** A Eureka server as teams write it: three annotations, and a login where one is asked for. */
@SpringBootApplication
@EnableEurekaServer
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
}
