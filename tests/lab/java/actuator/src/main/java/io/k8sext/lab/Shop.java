package io.k8sext.lab;

import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.HealthIndicator;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** A small shop with Actuator: Redis behind it, and a stock whose health it is told. */
@SpringBootApplication
@RestController
public class Shop {
  private final AtomicReference<String> stock = new AtomicReference<>("UP");

  public static void main(String[] arguments) {
    SpringApplication.run(Shop.class, arguments);
  }

  @GetMapping("/lab/ready")
  String ready() {
    return "ready";
  }

  /** What the component `stock` says from now on: UP, DOWN, OUT_OF_SERVICE or UNKNOWN. */
  @PostMapping("/lab/stock")
  String told(@RequestParam String status) {
    stock.set(status);
    return status;
  }

  @Bean
  HealthIndicator stock() {
    return () ->
        switch (stock.get()) {
          case "UP" -> Health.up().withDetail("shelves", 7).build();
          case "DOWN" -> Health.down().withDetail("error", "the warehouse does not answer").build();
          default -> Health.status(stock.get()).build();
        };
  }

  /** Basic for the Actuator where it is asked for, and paths that nobody may see. */
  @Bean
  SecurityFilterChain chain(
      HttpSecurity http,
      @Value("${lab.login:false}") boolean login,
      @Value("${lab.denied:}") List<String> denied)
      throws Exception {
    http.csrf(csrf -> csrf.disable());
    http.authorizeHttpRequests(
        all -> {
          denied.forEach(path -> all.requestMatchers(path).denyAll());
          all.requestMatchers("/lab/**", "/error").permitAll();
          if (login) {
            all.anyRequest().authenticated();
          } else {
            all.anyRequest().permitAll();
          }
        });
    return http.httpBasic(Customizer.withDefaults()).build();
  }
}
