# A Sidekiq worker finishes its jobs although the master is taken away while it works.
#
# What was acknowledged is at the replicas, for which the client waits. But the free Sidekiq takes a
# job from its list before it does it, and gives back what it could not do only when it ends in
# order; a job that was taken when the server died may be gone, with any server. So whoever needs
# each job done at least once sends again what has no result for a while.

require "sidekiq/api"
require_relative "sidekiq_worker"

$stdout.sync = true
JOBS = 200
SEND_AGAIN_SECONDS = 5
# How long the libraries say so when there is no master.
LOST = [Redis::BaseConnectionError, Redis::CommandError].freeze

def wait_until(what, seconds = 40)
  limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
  until yield
    raise "never: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > limit

    sleep 0.05
  end
end

def ask(word)
  puts word
  raise "the driver does not answer" unless $stdin.gets == "up\n"
end

def attempt
  yield
rescue *LOST
  nil
end

def check(name)
  yield
  puts "ok #{name}"
rescue StandardError => error
  puts "FAILED #{name}: #{error.full_message(highlight: false)}"
  $failed = true
end

def squares
  attempt { Sidekiq.redis { |connection| connection.hgetall("squares") } } || {}
end

# Sends until the server has taken it.
def send_job(number)
  sleep 0.02 until attempt { Square.perform_async(number) }
end

def fence
  Sidekiq.redis do |connection|
    connection.set("fence", 1)
    raise "the replicas do not keep up" unless connection.wait(2, 10_000) == 2
  end
end

# Waits for so many results; when none come for a while, what has none is sent again.
def wait_for_squares(wanted)
  seen = -1
  changed = 0
  wait_until("#{wanted} squares", 60) do
    now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    found = squares
    seen, changed = found.size, now if found.size > seen
    if now > changed + SEND_AGAIN_SECONDS
      changed = now
      (1..wanted).each { |number| send_job(number) unless found.key?(number.to_s) }
    end
    found.size >= wanted
  end
end

worker = File.join(__dir__, "sidekiq_worker.rb")
command = ["sidekiq", "-r", worker, "-c", "4", "-t", "2"]
pid = Process.spawn(*command, in: :close, out: :err)
at_exit { Process.kill(:KILL, pid) }

check("jobs are done, later ones later, failed ones again") do
  send_job(1)
  wait_until("it is done") { squares == { "1" => "1" } }
  Square.perform_in(0.3, 2)
  wait_until("it is done later") { squares["2"] == "4" }
  SecondTimeLucky.perform_async
  wait_until("it is done at the second time") { Sidekiq.redis { |connection| connection.get("tries") } == "2" }
  Sidekiq::Client.push_bulk("class" => Square, "args" => (3..20).map { |number| [number] })
  wait_for_squares(20)
  # Workers sum up every five seconds.
  wait_until("it is counted") { Sidekiq::Stats.new.processed >= 22 && Sidekiq::ProcessSet.new.size == 1 }
end

check("all jobs are done although the master crashes, and the next one hangs") do
  sent = 20
  [[JOBS / 2, "kill"], [JOBS, "stop"]].each do |goal, word|
    (sent + 1..goal).each { |number| send_job(number) }
    sent = goal
    fence
    ask(word)
    wait_for_squares(goal)
    ask("mend") if word == "kill"
  end
  raise "a square is wrong" unless squares == (1..JOBS).to_h { |n| [n.to_s, (n * n).to_s] }
end

exit!($failed ? 1 : 0)
