// go-redis 5, as Debian has it.
package main

import (
	"fmt"
	"time"

	"gopkg.in/redis.v5"
)

var script = redis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")

type version5 struct{ client *redis.Client }

func connect(told *facts) library {
	return version5{redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    told.MasterName,
		SentinelAddrs: told.sentinels(),
		// A master that hangs is given up after so long.
		ReadTimeout: time.Second,
		DialTimeout: time.Second,
		MaxRetries:  3,
	})}
}

func (v version5) set(key string) error { return v.client.Set(key, 1, 0).Err() }

func (v version5) get(key string) error { return v.client.Get(key).Err() }

func (v version5) setAndWait(key string) (int64, error) {
	pipe := v.client.Pipeline()
	set := pipe.Set(key, 1, 0)
	wait := pipe.Wait(2, 300*time.Millisecond)
	if _, err := pipe.Exec(); err != nil {
		return 0, err
	}
	return wait.Val(), set.Err()
}

func (v version5) addUp(key string, by int) (int64, error) {
	sum, err := script.Run(v.client, []string{key}, by).Result()
	if err != nil {
		return 0, err
	}
	return sum.(int64), nil
}

func (v version5) role() (string, error) {
	role := redis.NewSliceCmd("ROLE")
	if err := v.client.Process(role); err != nil {
		return "", err
	}
	return fmt.Sprint(role.Val()[0]), nil
}

func (v version5) transaction() error {
	_, err := v.client.TxPipelined(func(pipe *redis.Pipeline) error {
		pipe.Set("a", 1, 0)
		pipe.Incr("a")
		return nil
	})
	return err
}

func (v version5) publish(channel, message string) { v.client.Publish(channel, message) }

func (v version5) listen(channel string, heard func(string)) error {
	subscription, err := v.client.Subscribe(channel)
	if err != nil {
		return err
	}
	go func() {
		for {
			message, err := subscription.ReceiveMessage()
			if err != nil {
				return
			}
			heard(message.Payload)
		}
	}()
	return nil
}
