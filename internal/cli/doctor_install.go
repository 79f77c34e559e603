package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	leaseName         = "operator.pulumi.com"
	hubService        = "gantry-hub"
	certificateSecret = "gantry-hub-tls"
	labelName         = "app.kubernetes.io/name"
	// soon is how long before its end a certificate should have been renewed.
	soon = 24 * time.Hour
)

// manager looks for the manager, and for PKO beside it.
func (e *examination) manager(ctx context.Context) error {
	list := &appsv1.DeploymentList{}
	if err := e.List(ctx, list, client.InNamespace(e.installed)); err != nil {
		return e.unseen("manager", err)
	}
	found := false
	for i := range list.Items {
		d := &list.Items[i]
		name := d.Namespace + "/" + d.Name
		switch images := imagesOf(d); {
		case isManager(d):
			found = true
			e.running = managerVersion(d)
			e.installed, e.account = d.Namespace, firstOf(d.Spec.Template.Spec.ServiceAccountName, "default")
			if d.Status.ReadyReplicas == 0 {
				e.add(stateFailed, "manager", fmt.Sprintf("Deployment %s has no pod that is ready (%s)", name, images),
					fmt.Sprintf("kubectl describe deployment %s -n %s, and the log of its pods", d.Name, d.Namespace))
				continue
			}
			e.add(stateOK, "manager", fmt.Sprintf("Deployment %s has %d pod(s) ready (%s)", name, d.Status.ReadyReplicas, images), "")
		case strings.Contains(images, "pulumi-kubernetes-operator") && d.Status.Replicas > 0:
			e.add(stateWarning, "PKO", fmt.Sprintf("Deployment %s runs beside Gantry (%s)", name, images),
				"only the one that holds the lease works; scale it to 0 when Gantry has taken over: see docs/migrating-from-pko.md")
		}
	}
	if !found {
		e.add(stateFailed, "manager", "there is no Deployment of Gantry's", "install Gantry, or name its namespace with --manager-namespace")
	}
	return nil
}

func isManager(d *appsv1.Deployment) bool { return d.Labels[labelName] == "gantry" }

func imagesOf(d *appsv1.Deployment) string {
	var images []string
	for _, c := range d.Spec.Template.Spec.Containers {
		images = append(images, c.Image)
	}
	return strings.Join(images, ", ")
}

// lease looks whether somebody leads.
func (e *examination) lease(ctx context.Context) error {
	if e.installed == "" {
		return nil
	}
	lease, subject := &coordinationv1.Lease{}, "leader"
	err := e.Get(ctx, client.ObjectKey{Namespace: e.installed, Name: leaseName}, lease)
	if apierrors.IsNotFound(err) {
		e.add(stateFailed, subject, "nobody has ever taken the lease "+e.installed+"/"+leaseName, "look at the log of the manager")
		return nil
	}
	if err != nil {
		return e.unseen(subject, err)
	}
	e.verdicts = append(e.verdicts, leaseVerdict(lease, e.app.Clock.Now()))
	return nil
}

// leaseVerdict says whether a lease is held.
func leaseVerdict(lease *coordinationv1.Lease, now time.Time) verdict {
	spec := lease.Spec
	if spec.HolderIdentity == nil || *spec.HolderIdentity == "" || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil {
		return verdict{"leader", stateFailed, "nobody holds the lease " + lease.Name, "look at the log of the manager"}
	}
	ago := now.Sub(spec.RenewTime.Time)
	if ago > time.Duration(*spec.LeaseDurationSeconds)*time.Second {
		return verdict{"leader", stateFailed, fmt.Sprintf("%s held the lease and has not renewed it for %s", *spec.HolderIdentity, ago.Round(time.Second)),
			"the manager is gone or cannot reach the API server; or the clock here differs from the cluster's"}
	}
	return verdict{"leader", stateOK, *spec.HolderIdentity + " holds the lease", ""}
}

// hub looks whether the agents can reach somebody.
func (e *examination) hub(ctx context.Context) error {
	if e.installed == "" {
		return nil
	}
	endpoints, subject := &discoveryv1.EndpointSliceList{}, "hub"
	err := e.Get(ctx, client.ObjectKey{Namespace: e.installed, Name: hubService}, &corev1.Service{})
	if apierrors.IsNotFound(err) {
		e.add(stateFailed, subject, "there is no Service "+e.installed+"/"+hubService, "install Gantry again; agents dial it")
		return nil
	}
	if err == nil {
		err = e.List(ctx, endpoints, client.InNamespace(e.installed), client.MatchingLabels{discoveryv1.LabelServiceName: hubService})
	}
	if err != nil {
		return e.unseen(subject, err)
	}
	for _, slice := range endpoints.Items {
		if len(slice.Endpoints) > 0 {
			e.add(stateOK, subject, "the Service "+e.installed+"/"+hubService+" leads to the leader", "")
			return nil
		}
	}
	e.add(stateFailed, subject, "the Service "+e.installed+"/"+hubService+" leads to no pod", "no pod has the label of the leader: look at the log of the manager")
	return nil
}

// certificate looks how long the hub's certificate is good.
func (e *examination) certificate(ctx context.Context) error {
	if e.installed == "" {
		return nil
	}
	secret, subject := &corev1.Secret{}, "certificate"
	err := e.Get(ctx, client.ObjectKey{Namespace: e.installed, Name: certificateSecret}, secret)
	if apierrors.IsNotFound(err) {
		e.add(stateFailed, subject, "there is no Secret "+e.installed+"/"+certificateSecret, "the manager makes it: look at its log")
		return nil
	}
	if err != nil {
		return e.unseen(subject, err)
	}
	e.verdicts = append(e.verdicts, certificateVerdict(secret.Data[corev1.TLSCertKey], e.app.Clock.Now()))
	return nil
}

// certificateVerdict says whether a certificate is good.
func certificateVerdict(text []byte, now time.Time) verdict {
	const advice = "the manager renews it by itself: look at its log"
	certificate, err := parseCertificate(text)
	switch {
	case err != nil:
		return verdict{"certificate", stateFailed, "the hub's certificate cannot be read: " + err.Error(), advice}
	case now.After(certificate.NotAfter):
		return verdict{"certificate", stateFailed, "the hub's certificate has been out of date since " + certificate.NotAfter.Format(time.RFC3339), advice}
	case now.Before(certificate.NotBefore):
		return verdict{"certificate", stateFailed, "the hub's certificate is good only from " + certificate.NotBefore.Format(time.RFC3339), "a clock is wrong"}
	case certificate.NotAfter.Sub(now) < soon:
		return verdict{"certificate", stateWarning, "the hub's certificate ends at " + certificate.NotAfter.Format(time.RFC3339), advice}
	}
	return verdict{"certificate", stateOK, "the hub's certificate is good until " + certificate.NotAfter.Format(time.RFC3339), ""}
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
