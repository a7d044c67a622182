# The jobs of `sidekiq_jobs.rb`, and how Sidekiq reaches the master of the group.

require "json"
require "openssl"
require "sidekiq"

FACTS = JSON.parse(ENV.fetch("REDIS_FACTS"))
OPTIONS = {
  url: "#{FACTS["tls"] ? "rediss" : "redis"}://#{FACTS["master_name"]}",
  role: :master,
  sentinels: FACTS["sentinels"].map { |host, port| { host: host, port: port } },
  # A master that hangs is given up after so long, and the Sentinels are asked again.
  network_timeout: 2
}
# The Sentinels are asked over TLS as well, and their certificate is held to the same authority.
OPTIONS[:ssl_params] = { ca_file: FACTS["tls"]["ca"] } if FACTS["tls"]

Sidekiq.configure_client { |config| config.redis = OPTIONS }
Sidekiq.configure_server do |config|
  config.redis = OPTIONS
  # What is to be done later, and what failed, is looked for often.
  config.options[:poll_interval_average] = 0.2
end
Sidekiq.logger.level = Logger::FATAL
Redis.silence_deprecations = true

class Square
  include Sidekiq::Worker
  sidekiq_options retry: 5
  sidekiq_retry_in { 1 }

  def perform(number)
    Sidekiq.redis { |connection| connection.hset("squares", number, number * number) }
  end
end

class SecondTimeLucky
  include Sidekiq::Worker
  sidekiq_options retry: 5
  sidekiq_retry_in { 1 }

  def perform
    tries = Sidekiq.redis { |connection| connection.incr("tries") }
    raise "not yet" if tries < 2
  end
end
