package api_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/api"
)

func TestTimestamp(t *testing.T) {
	for _, c := range []struct {
		ms         int64
		epoch, iso string
	}{
		{1700000000123, "1700000000.123", "2023-11-14T22:13:20.123Z"},
		{1700000000100, "1700000000.1", "2023-11-14T22:13:20.1Z"},
		{1700000000005, "1700000000.005", "2023-11-14T22:13:20.005Z"},
		{1700000000000, "1700000000", "2023-11-14T22:13:20Z"},
		{0, "0", "1970-01-01T00:00:00Z"},
		{-1500, "-1.5", "1969-12-31T23:59:58.5Z"},
		{253402300799999, "253402300799.999", "9999-12-31T23:59:59.999Z"},
	} {
		ts := api.At(time.UnixMilli(c.ms))
		if got := string(ts.AppendEpoch(nil)); got != c.epoch {
			t.Errorf("%d: epoch %s, want %s", c.ms, got, c.epoch)
		}
		if got := string(ts.AppendISO(nil)); got != c.iso {
			t.Errorf("%d: ISO %s, want %s", c.ms, got, c.iso)
		}
		for _, parse := range []func() (api.Timestamp, error){
			func() (api.Timestamp, error) { return api.ParseEpoch(c.epoch) },
			func() (api.Timestamp, error) { return api.ParseISO(c.iso) },
		} {
			if back, err := parse(); err != nil || back.UnixMilli() != c.ms {
				t.Errorf("%d: read back %v, %v", c.ms, back, err)
			}
		}
	}
}

func TestTimestampJSON(t *testing.T) {
	text, err := json.Marshal(api.At(time.UnixMilli(1700000000250)))
	if err != nil || string(text) != "1700000000.25" {
		t.Errorf("got %s, %v", text, err)
	}
	var ts api.Timestamp
	if err := json.Unmarshal(text, &ts); err != nil || ts.UnixMilli() != 1700000000250 {
		t.Errorf("read back %v, %v", ts, err)
	}
}

func TestTimestampRefuses(t *testing.T) {
	for _, s := range []string{"", "x", "NaN", "Inf", "-1e300", "253402300800"} {
		if _, err := api.ParseEpoch(s); !errors.Is(err, api.ErrTimestamp) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "2023-11-14", "1700000000", "0000-01-01T00:00:00Z", "2023-13-14T22:13:20Z"} {
		if _, err := api.ParseISO(s); !errors.Is(err, api.ErrTimestamp) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
