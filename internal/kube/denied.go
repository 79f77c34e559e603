package kube

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// DeniedRetry is when something is tried again for which the manager has no right: nothing tells when roles change.
const DeniedRetry = time.Minute

// Denial is a right that the manager lacks.
type Denial struct {
	// User is who lacks it, as the API server calls the manager.
	User string
	// Verb, Group and Resource are what may not be done; Name is on what, if that is known.
	Verb, Group, Resource, Name string
	// Namespace is where; empty for the whole cluster.
	Namespace string
}

// denied is how the API server's authorizer says so. Admission refuses with the same status, in other words.
func denied() *regexp.Regexp {
	return regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?`)
}

// Denied finds in an error that the API server's authorizer refused something to the manager.
func Denied(err error) (Denial, bool) {
	var status apierrors.APIStatus
	if !apierrors.IsForbidden(err) || !errors.As(err, &status) {
		return Denial{}, false
	}
	parts := denied().FindStringSubmatch(status.Status().Message)
	if parts == nil {
		return Denial{}, false
	}
	d := Denial{User: parts[1], Verb: parts[2], Resource: parts[3], Group: parts[4], Namespace: parts[5]}
	if details := status.Status().Details; details != nil {
		d.Name = details.Name
	}
	return d, true
}

// String says what is missing and what to do, for a condition.
func (d Denial) String() string {
	resource := d.Resource
	if d.Group != "" {
		resource += "." + d.Group
	}
	what, where, role := resource, "in the whole cluster", "a ClusterRole"
	if d.Name != "" {
		what += fmt.Sprintf(" %q", d.Name)
	}
	if d.Namespace != "" {
		where, role = "in namespace "+d.Namespace, "a Role or ClusterRole"
	}
	who := fmt.Sprintf("user %q", d.User)
	if account, ok := strings.CutPrefix(d.User, "system:serviceaccount:"); ok {
		namespace, name, _ := strings.Cut(account, ":")
		who = fmt.Sprintf("ServiceAccount %s of namespace %s", name, namespace)
	}
	return fmt.Sprintf("the manager may not %s %s %s: grant %s the verb %q on %s there by %s, such as the one it is shipped with; it is tried again within a minute",
		d.Verb, what, where, who, d.Verb, resource, role)
}
