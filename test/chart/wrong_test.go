package chart

import (
	"path/filepath"
	"strings"
	"testing"
)

// A wrong value is refused before anything is installed, with the value's name.
func TestWrongValues(t *testing.T) {
	tests := map[string]struct {
		// set is what --set takes, or --set-json.
		set  string
		json bool
		// says is what the complaint has in it.
		says string
	}{
		"UnknownName":         {set: "replicaCounts=2", says: "replicaCounts"},
		"UnknownNameInside":   {set: "controller.logFormt=json", says: "logFormt"},
		"UnknownNameDeep":     {set: "artifacts.emptyDir.size=1Gi", says: "/artifacts/emptyDir"},
		"UnknownPeer":         {set: `networkPolicy.metricsFrom=[{"namespace":"monitoring"}]`, json: true, says: "/networkPolicy/metricsFrom/0"},
		"ListForText":         {set: `image.repository=["gantry"]`, json: true, says: "/image/repository"},
		"TextForNumber":       {set: "replicaCount=two", says: "/replicaCount"},
		"TextForSwitch":       {set: "serviceMonitor.enabled=yes please", says: "/serviceMonitor/enabled"},
		"TextForList":         {set: "rbac.extraRules=everything", says: "/rbac/extraRules"},
		"TextForObject":       {set: "nodeSelector=ssd", says: "/nodeSelector"},
		"ObjectForList":       {set: "networkPolicy.metricsFrom.namespace=here", says: "/networkPolicy/metricsFrom"},
		"ObjectForText":       {set: "image.tag.name=v1", says: "/image/tag"},
		"NumberForText":       {set: "image.tag=1.10", json: true, says: "/image/tag"},
		"NumberForLabel":      {set: "podLabels.team=7", says: "/podLabels/team"},
		"SwitchForAnnotation": {set: "podAnnotations.scrape=true", says: "/podAnnotations/scrape"},
		"Fraction":            {set: "replicaCount=1.5", says: "/replicaCount"},

		"NoReplica":             {set: "replicaCount=0", says: "/replicaCount"},
		"LessThanNoReplica":     {set: "replicaCount=-1", says: "/replicaCount"},
		"NoWorker":              {set: "controller.maxConcurrentReconciles=0", says: "/controller/maxConcurrentReconciles"},
		"NegativeGrace":         {set: "terminationGracePeriodSeconds=-1", says: "/terminationGracePeriodSeconds"},
		"NoDisruption":          {set: "podDisruptionBudget.maxUnavailable=0", says: "/podDisruptionBudget/maxUnavailable"},
		"DisruptionOfTooMuch":   {set: "podDisruptionBudget.maxUnavailable=110%", says: "/podDisruptionBudget/maxUnavailable"},
		"NoArchiveAllowed":      {set: "flux.maxUntarSizeBytes=0", says: "/flux/maxUntarSizeBytes"},
		"ArchiveOfNegativeSize": {set: "flux.maxUntarSizeBytes=-2", says: "/flux/maxUntarSizeBytes"},

		"DurationWord":         {set: "controller.idleTimeout=soon", says: "/controller/idleTimeout"},
		"DurationInDays":       {set: "controller.cancelGracePeriod=1d", says: "/controller/cancelGracePeriod"},
		"DurationWithoutUnit":  {set: "leaderElection.leaseDuration=60", says: "/leaderElection/leaseDuration"},
		"DurationNegative":     {set: "leaderElection.renewDeadline=-10s", says: "/leaderElection/renewDeadline"},
		"DurationEmpty":        {set: "leaderElection.retryPeriod=", says: "/leaderElection/retryPeriod"},
		"DurationOfNothing":    {set: "kubeAPI.timeout=0s", says: "kubeAPI.timeout"},
		"DurationOfPrometheus": {set: "serviceMonitor.interval=often", says: "/serviceMonitor/interval"},

		"LeaseTooShort":          {set: "leaderElection.leaseDuration=500ms", says: "leaderElection.leaseDuration"},
		"LeaseNotBeyondDeadline": {set: "leaderElection.renewDeadline=15s", says: "leaderElection.leaseDuration is 15s, and has to be longer than leaderElection.renewDeadline"},
		"DeadlineNotBeyondRetry": {set: "leaderElection.retryPeriod=9s", says: "leaderElection.renewDeadline is 10s, and has to be longer than 1.2 times leaderElection.retryPeriod"},
		"NoRetry":                {set: "leaderElection.retryPeriod=0s", says: "leaderElection.retryPeriod"},

		"QuantityWord":     {set: "resources.limits.memory=lots", says: "/resources/limits/memory"},
		"QuantityUnit":     {set: "resources.requests.memory=1GB", says: "/resources/requests/memory"},
		"QuantityNegative": {set: "resources.limits.cpu=-1", says: "/resources/limits/cpu"},
		"QuantityOfVolume": {set: "artifacts.emptyDir.sizeLimit=big", says: "/artifacts/emptyDir/sizeLimit"},
		"QuantityForBytes": {set: "flux.maxUntarSizeBytes=1Gi", says: "/flux/maxUntarSizeBytes"},
		"UnknownResources": {set: "resources.memory=1Gi", says: "memory"},

		"PullPolicy":      {set: "image.pullPolicy=Sometimes", says: "/image/pullPolicy"},
		"Digest":          {set: "image.digest=sha256:12", says: "/image/digest"},
		"Tag":             {set: "image.tag=v1 beta", says: "/image/tag"},
		"Repository":      {set: "image.repository=", says: "/image/repository"},
		"LogLevel":        {set: "controller.logLevel=chatty", says: "/controller/logLevel"},
		"LogFormat":       {set: "controller.logFormat=xml", says: "/controller/logFormat"},
		"Strategy":        {set: "deploymentStrategy=Replace", says: "/deploymentStrategy"},
		"StrategyType":    {set: "deploymentStrategy.type=Replace", says: "/deploymentStrategy"},
		"NameForObjects":  {set: "fullnameOverride=Gantry_1", says: "/fullnameOverride"},
		"AccountName":     {set: "serviceAccount.name=Run Er", says: "/serviceAccount/name"},
		"PullSecret":      {set: "imagePullSecrets[0].nam=pull", says: "/imagePullSecrets/0"},
		"AgentPath":       {set: "workspaceImage.agentPath=bin/agent", says: "/workspaceImage/agentPath"},
		"Argument":        {set: "controller.extraArgs[0]=idle", says: "/controller/extraArgs/0"},
		"EventsAddress":   {set: "controller.eventsAddr=notification-controller.flux-system", says: "/controller/eventsAddr"},
		"EventsUser":      {set: "controller.eventsAddr=http://user:word@host/", says: "/controller/eventsAddr"},
		"WebhookSecret":   {set: "webhook.secretName=", says: "/webhook/secretName"},
		"MetricsPath":     {set: "serviceMonitor.telemetryPath=metrics", says: "/serviceMonitor/telemetryPath"},
		"Environment":     {set: "extraEnv[0].value=http://proxy", says: "/extraEnv/0"},
		"Sidecar":         {set: "extraSidecars[0].name=beside", says: "/extraSidecars/0"},
		"Mount":           {set: "extraVolumeMounts[0].name=extra", says: "/extraVolumeMounts/0"},
		"Rule":            {set: "rbac.extraRules[0].apiGroups[0]=example.com", says: "/rbac/extraRules/0"},
		"NamespaceName":   {set: "watchNamespaces={Team_A}", says: "/watchNamespaces/0"},
		"NamespaceTwice":  {set: "watchNamespaces={team,team}", says: "/watchNamespaces"},
		"NamespaceNoList": {set: "watchNamespaces=team", says: "/watchNamespaces"},
		"AlertsNamespace": {set: "alerts.namespace=Monitoring!", says: "/alerts/namespace"},
		"DashboardSwitch": {set: "dashboard.enabled=1", says: "/dashboard/enabled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flag := "--set"
			if test.json {
				flag = "--set-json"
			}
			output, complaint, err := helm(t, "template", "gantry", filepath.Join(root, "charts/gantry"), flag, test.set)
			if err == nil || !strings.Contains(complaint, test.says) {
				t.Errorf("error %v, which does not name %s:\n%s%s", err, test.says, complaint, output[:min(len(output), 200)])
			}
		})
	}
}
