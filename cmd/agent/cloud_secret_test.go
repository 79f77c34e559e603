package main

import (
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

func TestAFailureThatQuotesASecretHidesIt(t *testing.T) {
	needsProvider(t)
	p, cloud := onCloud(t)
	environment(t, cloud, "team/app", "values: {pulumiConfig: {other: {fn::secret: esc-canary-of-the-environment}}}\n")
	source := p.store.put(t, yaml(`config: {password: {type: string}, other: {type: string}}
resources:
  bad: {type: testing:Fail, properties: {message: "the password ${password} and ${other} are wrong"}}
`), "")
	result := p.hub.run(up("one", source, on("acme/demo/dev"), importing("team/app"), with(given("password", `"canary-of-the-stack"`, secret))))
	fails(t, result, operation.ReasonFailed, "are wrong")
	for place, text := range map[string]string{"message": result.GetMessage(), "log": p.log.text(), "what Pulumi Cloud keeps": cloud.Kept()} {
		if strings.Contains(text, "canary") {
			t.Errorf("a secret is in clear in the %s:\n%s", place, text)
		}
	}
}
