// go-redis 9, of the version that go.mod names.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	always = context.Background()
	script = redis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
)

type version9 struct{ client *redis.Client }

func connect(told *facts) library {
	return version9{redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    told.MasterName,
		SentinelAddrs: told.sentinels(),
		Protocol:      told.Protocol,
		// A master that hangs is given up after so long.
		ReadTimeout: time.Second,
		DialTimeout: time.Second,
		MaxRetries:  3,
		TLSConfig:   trustIn(told.TLS["ca"]),
	})}
}

// The settings for servers and Sentinels over TLS; none without an authority.
func trustIn(authority string) *tls.Config {
	if authority == "" {
		return nil
	}
	certificate, err := os.ReadFile(authority)
	if err != nil {
		panic(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate)
	return &tls.Config{RootCAs: trusted}
}

func (v version9) set(key string) error { return v.client.Set(always, key, 1, 0).Err() }

func (v version9) get(key string) error { return v.client.Get(always, key).Err() }

func (v version9) setAndWait(key string) (int64, error) {
	pipe := v.client.Pipeline()
	set := pipe.Set(always, key, 1, 0)
	wait := pipe.Do(always, "WAIT", 2, 300)
	if _, err := pipe.Exec(always); err != nil {
		return 0, err
	}
	replicas, err := wait.Int64()
	if err != nil {
		return 0, err
	}
	return replicas, set.Err()
}

func (v version9) addUp(key string, by int) (int64, error) {
	return script.Run(always, v.client, []string{key}, by).Int64()
}

func (v version9) role() (string, error) {
	role, err := v.client.Do(always, "ROLE").Slice()
	if err != nil {
		return "", err
	}
	return fmt.Sprint(role[0]), nil
}

func (v version9) transaction() error {
	_, err := v.client.TxPipelined(always, func(pipe redis.Pipeliner) error {
		pipe.Set(always, "a", 1, 0)
		pipe.Incr(always, "a")
		return nil
	})
	return err
}

func (v version9) publish(channel, message string) { v.client.Publish(always, channel, message) }

func (v version9) listen(channel string, heard func(string)) error {
	messages := v.client.Subscribe(always, channel).Channel()
	go func() {
		for message := range messages {
			heard(message.Payload)
		}
	}()
	return nil
}
