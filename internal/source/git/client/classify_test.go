package client

import (
	"strings"
	"testing"
)

// What real programs said, to real and to failing hosts.
func TestKindOf(t *testing.T) {
	cases := map[Kind][]string{
		Unreachable: {
			"fatal: unable to access 'https://nowhere.invalid/x/': Could not resolve host: nowhere.invalid",
			"fatal: unable to access 'https://127.0.0.1:1/x/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
			"fatal: unable to access 'https://example.com/x/': The requested URL returned error: 500",
			"error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503\nfatal: expected 'packfile'",
			"remote: Too Many Requests\nfatal: unable to access 'https://example.com/x/': The requested URL returned error: 429",
			"error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
			"fatal: unable to access 'https://example.com/x/': Operation too slow. Less than 1 bytes/sec transferred the last 30 seconds",
			"fatal: unable to access 'https://example.com/x/': gnutls_handshake() failed: The TLS connection was non-properly terminated.",
			"fatal: unable to access 'https://example.com/x/': OpenSSL SSL_connect: Connection reset by peer in connection to example.com:443",
			"fatal: unable to access 'https://example.com/x/': Received HTTP code 502 from proxy after CONNECT",
			"ssh: connect to host example.com port 22: Connection refused\nfatal: Could not read from remote repository.",
			"ssh: connect to host example.com port 22: Connection timed out\nfatal: Could not read from remote repository.",
			"ssh: Could not resolve hostname nowhere.invalid: Name or service not known\nfatal: Could not read from remote repository.",
			"kex_exchange_identification: Connection closed by remote host\nfatal: Could not read from remote repository.",
			"Timeout, server example.com not responding.\nfatal: Could not read from remote repository.",
			"fatal: the remote end hung up unexpectedly", "something nobody has seen before", "",
		},
		Denied: {
			"fatal: could not read Username for 'https://github.com': terminal prompts disabled",
			"remote: Support for password authentication was removed on August 13, 2021.\nfatal: Authentication failed for 'https://github.com/x/y/'",
			"remote: HTTP Basic: Access denied. The provided password or token is incorrect.\nfatal: Authentication failed for 'https://gitlab.com/x/y.git/'",
			"remote: Forbidden\nfatal: unable to access 'https://example.com/x/': The requested URL returned error: 403",
			"remote: Permission to x/y.git denied to z.\nfatal: unable to access 'https://github.com/x/y.git/': The requested URL returned error: 403",
			"git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
			"Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\nfatal: Could not read from remote repository.",
		},
		HostKey: {
			"No ED25519 host key is known for example.com and you have requested strict checking.\nHost key verification failed.\nfatal: Could not read from remote repository.",
			"@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@\nHost key verification failed.",
			"Unable to negotiate with 127.0.0.1 port 22: no matching host key type found. Their offer: ssh-dss",
			"fatal: unable to access 'https://example.com/x/': server certificate verification failed. CAfile: none CRLfile: none",
			"fatal: unable to access 'https://example.com/x/': SSL certificate problem: unable to get local issuer certificate",
			"batch response: Post \"https://example.com/x\": x509: certificate signed by unknown authority",
		},
		NotFound: {
			"remote: Repository not found.\nfatal: repository 'https://github.com/x/y/' not found",
			"fatal: repository 'https://example.com/x/' not found",
			"ERROR: Repository not found.\nfatal: Could not read from remote repository.",
			"fatal: '/srv/x.git' does not appear to be a git repository\nfatal: Could not read from remote repository.",
			"fatal: remote error: upload-pack: not our ref 1111111111111111111111111111111111111111",
			"fatal: couldn't find remote ref 1111111111111111111111111111111111111111",
			"error: Server does not allow request for unadvertised object 1111111111111111111111111111111111111111",
			"remote: The project you were looking for could not be found or you don't have permission to view it.\nfatal: Could not read from remote repository.",
			"remote: TF401019: The Git repository with name or identifier x does not exist or you do not have permissions.",
		},
		TooLarge: {
			"fatal: Out of memory, malloc failed (tried to allocate 50331650 bytes)\nfatal: fetch-pack: invalid index-pack output",
			"error: index-pack died of signal 25", "fatal: write error: File too large",
		},
		Invalid: {
			"error: object 4ebcef9: fullPathname: contains full pathnames\nfatal: fsck error in packed object\nfatal: fetch-pack: invalid index-pack output",
			"fatal: transport 'file' not allowed",
			"fatal: https://example.com/x/info/refs not valid: is this a git repository?",
			"fatal: unable to update url base from redirection:\n  asked for: https://a/x\n   redirect: https://b/login",
		},
	}
	for kind, texts := range cases {
		for _, text := range texts {
			if got := kindOf(text); got != kind {
				t.Errorf("kind %d, want %d: %s", got, kind, text)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"hint: x\nwarning: y\nfatal: repository 'x' not found\n":                                                               "repository 'x' not found",
		"git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure you have...": "git@x: Permission denied (publickey); Could not read from remote repository; Please make sure you have..",
		"error: a\nerror: a\nb\n": "a; b",
	} {
		if got := words(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	if long := words(strings.Repeat("x", 5000) + " the end"); len([]rune(long)) > maxWords+1 || !strings.HasSuffix(long, " the end") {
		t.Errorf("%d characters", len(long))
	}
}

func TestRedact(t *testing.T) {
	r := newRedactor([]string{"s3cr3t/+", "", "abc", "s3cr3t/+longer"})
	for said, want := range map[string]string{
		"a s3cr3t/+ b s3cr3t%2F%2B c czNjcjN0Lys= d": "a *** b *** c *** d",
		"s3cr3t/+longer": "***",
		"abc stays: it is too short to be looked for": "abc stays: it is too short to be looked for",
		"https://user:pass@example.com/x":             "https://example.com/x",
		"HTTP://token@example.com, ssh://git@h/x":     "HTTP://example.com, ssh://h/x",
		"https://user:p@ss:w@example.com/x@y":         "https://example.com/x@y",
		"bell\a escape\x1b[31m \u202eturned\r\n":      "bell escape[31m turned \n",
		"git@example.com:x stays":                     "git@example.com:x stays",
	} {
		if got := r.clean(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	var said tail
	for _, part := range []string{strings.Repeat("x", maxSaid) + "s3cr", "3t/+ and a half\n", strings.Repeat("y\n", maxSaid/2-8)} {
		if _, err := said.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if text := said.text(); strings.Contains(text, "3t/+") || !strings.HasSuffix(text, "y\n") {
		t.Errorf("half a secret is kept: %.40q", text)
	}
}
