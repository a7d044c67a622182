// go-redis finds the new master through Sentinel, after a crash and after a master that hangs.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"gopkg.in/redis.v5"
)

type facts struct {
	Port       int             `json:"port"`
	MasterName string          `json:"master_name"`
	Sentinels  [][]interface{} `json:"sentinels"`
}

var (
	failed  bool
	answers = bufio.NewReader(os.Stdin)
)

func check(name string, run func() (string, error)) {
	said, err := run()
	switch {
	case err != nil:
		failed = true
		fmt.Printf("FAILED %s: %v\n", name, err)
	case said != "":
		fmt.Printf("ok %s (%s)\n", name, said)
	default:
		fmt.Printf("ok %s\n", name)
	}
}

// Asks the driver to `kill`, `stop` or `mend`, and waits until that is done.
func ask(word string) error {
	fmt.Println(word)
	line, err := answers.ReadString('\n')
	if err == nil && line != "up\n" {
		err = fmt.Errorf("the driver says %q", line)
	}
	return err
}

func waitUntil(what string, condition func() bool) error {
	end := time.Now().Add(30 * time.Second)
	for !condition() {
		if time.Now().After(end) {
			return fmt.Errorf("never: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// The writes of a client: those that were answered, and those that two replicas confirmed.
//
// A write that was only answered may be lost in a failover, for replication does not wait. One
// that `WAIT 2` confirmed is on both replicas, so whichever is promoted has it.
type ledger struct {
	sync.Mutex
	answered, confirmed []string
	refused             int
	ended               bool
}

func (l *ledger) counts() (int, int) {
	l.Lock()
	defer l.Unlock()
	return len(l.answered), len(l.confirmed)
}

func (l *ledger) keepWriting(client *redis.Client, prefix string) {
	for n := 0; ; n++ {
		key := prefix + strconv.Itoa(n)
		// In one pipeline, for WAIT speaks of what its own connection has written.
		pipe := client.Pipeline()
		set := pipe.Set(key, 1, 0)
		wait := pipe.Wait(2, 300*time.Millisecond)
		_, err := pipe.Exec()
		l.Lock()
		if err != nil || set.Err() != nil {
			l.refused++
		} else {
			l.answered = append(l.answered, key)
			if wait.Val() >= 2 {
				l.confirmed = append(l.confirmed, key)
			}
		}
		ended := l.ended
		l.Unlock()
		if ended {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (l *ledger) sumUp(client *redis.Client) (string, error) {
	l.Lock()
	defer l.Unlock()
	for _, key := range l.confirmed {
		if client.Get(key).Err() != nil {
			return "", fmt.Errorf("%s was confirmed but is lost", key)
		}
	}
	lost := 0
	for _, key := range l.answered {
		if client.Get(key).Err() != nil {
			lost++
		}
	}
	return fmt.Sprintf("%d writes answered, %d of them lost; %d confirmed, none lost; %d refused",
		len(l.answered), lost, len(l.confirmed), l.refused), nil
}

// Takes the master away while one goroutine writes, and another hears messages.
func liveThrough(client *redis.Client, word string) (string, error) {
	l := &ledger{}
	done := make(chan struct{})
	go func() {
		l.keepWriting(client, "ledger:"+word+":")
		close(done)
	}()
	script := redis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
	if err := script.Run(client, []string{"sum:" + word}, 1).Err(); err != nil {
		return "", err
	}
	enough := func() bool { _, confirmed := l.counts(); return confirmed >= 100 }
	if err := waitUntil("enough is confirmed", enough); err != nil {
		return "", err
	}
	if err := ask(word); err != nil {
		return "", err
	}
	before, _ := l.counts()
	more := func() bool { answered, _ := l.counts(); return answered >= before+5 }
	if err := waitUntil("it writes on", more); err != nil {
		return "", err
	}
	l.Lock()
	l.ended = true
	l.Unlock()
	<-done
	if sum, err := script.Run(client, []string{"sum:" + word}, 1).Result(); err != nil || sum != int64(2) {
		return "", fmt.Errorf("the script says %v, %v", sum, err)
	}
	heard, err := client.Subscribe("news")
	if err != nil {
		return "", err
	}
	defer heard.Close()
	client.Publish("news", "again")
	if message, err := heard.ReceiveMessage(); err != nil || message.Payload != "again" {
		return "", fmt.Errorf("heard %v, %v", message, err)
	}
	return l.sumUp(client)
}

func main() {
	var told facts
	if err := json.Unmarshal([]byte(os.Getenv("REDIS_FACTS")), &told); err != nil {
		panic(err)
	}
	var sentinels []string
	for _, address := range told.Sentinels {
		sentinels = append(sentinels, net.JoinHostPort(address[0].(string), fmt.Sprint(address[1])))
	}
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    told.MasterName,
		SentinelAddrs: sentinels,
		// A master that hangs is given up after so long.
		ReadTimeout: time.Second,
		DialTimeout: time.Second,
		MaxRetries:  3,
	})
	check("the master is found", func() (string, error) {
		if err := client.Set("seen", "yes", time.Minute).Err(); err != nil {
			return "", err
		}
		return "", client.Get("seen").Err()
	})
	check("it lives through a crash of the master", func() (string, error) {
		return liveThrough(client, "kill")
	})
	check("it lives through a master that hangs", func() (string, error) {
		if err := ask("mend"); err != nil {
			return "", err
		}
		return liveThrough(client, "stop")
	})
	check("it works as before", func() (string, error) {
		_, err := client.TxPipelined(func(pipe *redis.Pipeline) error {
			pipe.Set("a", 1, 0)
			pipe.Incr("a")
			return nil
		})
		return "", err
	})
	if failed {
		os.Exit(1)
	}
}
