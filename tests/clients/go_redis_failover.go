// go-redis finds the new master through Sentinel, after a crash and after a master that hangs.
//
// Its versions differ in how they are called, so the checks speak to an interface, and a file for
// each version is built with this one.
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
)

type facts struct {
	Port       int               `json:"port"`
	Protocol   int               `json:"protocol"`
	MasterName string            `json:"master_name"`
	Sentinels  [][]interface{}   `json:"sentinels"`
	TLS        map[string]string `json:"tls"`
}

func (f *facts) sentinels() []string {
	var addresses []string
	for _, told := range f.Sentinels {
		addresses = append(addresses, net.JoinHostPort(told[0].(string), fmt.Sprint(told[1])))
	}
	return addresses
}

// What the checks want of a version of the library; `connect` in its file makes one.
type library interface {
	set(key string) error
	get(key string) error
	// In one pipeline, for WAIT speaks of what its own connection has written.
	setAndWait(key string) (replicas int64, err error)
	addUp(key string, by int) (int64, error)
	role() (string, error)
	transaction() error
	publish(channel, message string)
	// Calls `heard` with messages, until the program ends.
	listen(channel string, heard func(message string)) error
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

func (l *ledger) keepWriting(client library, prefix string) {
	for n := 0; ; n++ {
		key := prefix + strconv.Itoa(n)
		replicas, err := client.setAndWait(key)
		l.Lock()
		if err != nil {
			l.refused++
		} else {
			l.answered = append(l.answered, key)
			if replicas >= 2 {
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

func (l *ledger) sumUp(client library) (string, error) {
	l.Lock()
	defer l.Unlock()
	for _, key := range l.confirmed {
		if err := client.get(key); err != nil {
			return "", fmt.Errorf("%s was confirmed but is lost: %v", key, err)
		}
	}
	lost := 0
	for _, key := range l.answered {
		if client.get(key) != nil {
			lost++
		}
	}
	return fmt.Sprintf("%d writes answered, %d of them lost; %d confirmed, none lost; %d refused",
		len(l.answered), lost, len(l.confirmed), l.refused), nil
}

// Waits until a message is heard that is published until then.
func hear(client library, heard <-chan string, message string) error {
	return waitUntil(message+" is heard", func() bool {
		client.publish("news", message)
		for {
			select {
			case got := <-heard:
				if got == message {
					return true
				}
			case <-time.After(100 * time.Millisecond):
				return false
			}
		}
	})
}

// Takes the master away while one goroutine writes, and another hears messages.
func liveThrough(client library, word string) (string, error) {
	heard := make(chan string, 1000)
	err := client.listen("news", func(message string) { heard <- message })
	if err != nil {
		return "", err
	}
	if err := hear(client, heard, "before "+word); err != nil {
		return "", err
	}
	if _, err := client.addUp("sum:"+word, 1); err != nil {
		return "", err
	}
	l := &ledger{}
	done := make(chan struct{})
	go func() {
		l.keepWriting(client, "ledger:"+word+":")
		close(done)
	}()
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
	// The new master may not know the script; the library sends it again.
	if sum, err := client.addUp("sum:"+word, 1); err != nil || sum != 2 {
		return "", fmt.Errorf("the script says %v, %v", sum, err)
	}
	// Most versions do not see that the master they have subscribed at hangs. When that goes on,
	// the Sentinels make it a replica and have it close its connections.
	if word == "stop" {
		if err := ask("mend"); err != nil {
			return "", err
		}
	}
	if err := hear(client, heard, "after "+word); err != nil {
		return "", err
	}
	return l.sumUp(client)
}

func main() {
	var told facts
	if err := json.Unmarshal([]byte(os.Getenv("REDIS_FACTS")), &told); err != nil {
		panic(err)
	}
	client := connect(&told)
	check("the master is found", func() (string, error) {
		if err := client.set("seen"); err != nil {
			return "", err
		}
		return "", client.get("seen")
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
		if role, err := client.role(); err != nil || role != "master" {
			return "", fmt.Errorf("the role is %v, %v", role, err)
		}
		return "", client.transaction()
	})
	if failed {
		os.Exit(1)
	}
}
