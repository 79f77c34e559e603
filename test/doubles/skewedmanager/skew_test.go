package skewedmanager

import (
	"testing"
	"time"
)

func TestClockIsOffByAConstant(t *testing.T) {
	c := Clock{Offset: -time.Hour}
	before := time.Now()
	shown := c.Now()
	if off := shown.Sub(before); off < -time.Hour || off > -time.Hour+time.Minute {
		t.Errorf("it is off by %s", off)
	}
	if since := c.Since(shown); since < 0 || since > time.Minute {
		t.Errorf("since it was asked %s have passed", since)
	}
}
