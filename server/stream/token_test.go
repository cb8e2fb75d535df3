// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"testing"
	"time"
)

func TestTokenIsTakenOnce(t *testing.T) {
	tk := newTokens()
	token, err := tk.put("request")
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := tk.take(token); !ok || r != "request" {
		t.Errorf("%v, %v", r, ok)
	}
	if _, ok := tk.take(token); ok {
		t.Error("taken twice")
	}
}

func TestTokenExpires(t *testing.T) {
	tk := newTokens()
	now := time.Now()
	tk.now = func() time.Time { return now }
	token, err := tk.put("request")
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(tokenLifetime)
	if _, ok := tk.take(token); ok {
		t.Error("an old token is still good")
	}
	if len(tk.waiting) != 0 || tk.byAge.Len() != 0 {
		t.Error("it is kept")
	}
}

func TestTokensAreBounded(t *testing.T) {
	tk := newTokens()
	now := time.Now()
	tk.now = func() time.Time { return now }
	for range maxTokens {
		if _, err := tk.put(nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tk.put(nil); !errors.Is(err, ErrTooMany) {
		t.Errorf("%v", err)
	}
	now = now.Add(tokenLifetime)
	if _, err := tk.put(nil); err != nil {
		t.Errorf("old tokens hold new ones up: %v", err)
	}
}
