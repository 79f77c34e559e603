package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInstallCopiesTheProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(path, []byte("an older one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := command([]string{"install", path}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	original, err := os.Stat(self)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o755 || info.Size() != original.Size() {
		t.Errorf("mode %o, %d bytes; want 755, %d bytes", info.Mode().Perm(), info.Size(), original.Size())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 {
		t.Errorf("%d files are left beside it", len(left)-1)
	}
}

func TestCommandsThatAreNone(t *testing.T) {
	for _, args := range [][]string{nil, {"serve"}, {"install"}, {"install", "a", "b"}, {"version", "now"}} {
		if err := command(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	if err := command([]string{"install", filepath.Join(t.TempDir(), "no", "agent")}); err == nil {
		t.Error("a copy to nowhere succeeded")
	}
}

func TestOptions(t *testing.T) {
	_, ca := certificate(t)
	cases := map[string]struct {
		env map[string]string
		ok  bool
	}{
		"Complete": {env: map[string]string{"GANTRY_HUB": "gantry-hub.gantry.svc:9443", "GANTRY_CA": ca, "AGENT_MEMLIMIT": "64Mi"}, ok: true},
		"NoHub":    {env: map[string]string{"GANTRY_HUB": "", "GANTRY_CA": ca}},
		"NoPort":   {env: map[string]string{"GANTRY_HUB": "gantry-hub", "GANTRY_CA": ca}},
		"NoCA":     {env: map[string]string{"GANTRY_HUB": "gantry-hub:9443", "GANTRY_CA": "none"}},
		"BadLimit": {env: map[string]string{"GANTRY_HUB": "gantry-hub:9443", "GANTRY_CA": ca, "AGENT_MEMLIMIT": "lots"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			o, err := readOptions([]string{"--share=/elsewhere"})
			if (err == nil) != tc.ok {
				t.Fatalf("error %v", err)
			}
			if !tc.ok {
				return
			}
			if o.serverName != "gantry-hub.gantry.svc" || o.memoryLimit != 64<<20 || o.share != "/elsewhere" {
				t.Errorf("options: %+v", o)
			}
			for _, variable := range o.environment {
				if len(variable) > 7 && variable[:7] == "GANTRY_" {
					t.Errorf("programs get %s", variable)
				}
			}
		})
	}
}
