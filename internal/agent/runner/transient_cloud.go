package runner

import "regexp"

// cloudDown is what the CLI says when Pulumi Cloud is down or throttles, or has taken the lease of the update: with the
// CLI's own words before it, since the bare codes are anybody's. The words are in testdata/cloud-words.txt.
var cloudDown = regexp.MustCompile(`(?im)(?:^(?:error: )?|\b(?:opening environment|stack secrets manager|failed to save snapshot|failed to complete update): )` +
	`(?:\[(?:429|500|502|503|504)\] |\[403\] the provided update token has expired|\[409\] conflict: the update has already completed|` +
	`\[404\] not found: update |(?:pulumi service|esc): request rate-limit exceeded)|\brenewing lease: token expired\b`)
