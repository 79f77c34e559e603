{{/* The manager's container, but for its name. */}}
{{- define "gantry.container" -}}
image: {{ include "gantry.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [/manager]
args:
- --leader-elect
- --metrics-bind-address=:8443
{{- if not .Values.controller.metricsSecure }}
- --metrics-secure=false
{{- end }}
{{- if not .Values.controller.metricsPerStack }}
- --metrics-per-stack=false
{{- end }}
{{- if ne (include "gantry.hub" .) "gantry-hub" }}
- --hub-service={{ include "gantry.hub" . }}
{{- end }}
{{- if .Values.webhook.enabled }}
- --webhook-bind-address=:9445
- --webhook-secret={{ .Values.webhook.secretName }}
{{- end }}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
- --idle-timeout={{ .Values.controller.idleTimeout }}
- --cancel-grace-period={{ .Values.controller.cancelGracePeriod }}
{{- with .Values.controller.eventsAddr }}
- --events-addr={{ . }}
{{- end }}
- --zap-log-level={{ .Values.controller.logLevel }}
- --zap-encoder={{ .Values.controller.logFormat }}
- --zap-time-encoding=iso8601
{{- range .Values.controller.extraArgs }}
- {{ . | quote }}
{{- end }}
env:
- name: POD_NAME
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
- name: POD_UID
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.uid}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
- {name: WORKSPACE_IMAGE, value: {{ .Values.workspaceImage.name | quote }}}
{{- with .Values.workspaceImage.agentPath }}
- {name: WORKSPACE_IMAGE_AGENT_PATH, value: {{ . | quote }}}
{{- end }}
- {name: LEADER_ELECTION_LEASE_DURATION, value: {{ .Values.leaderElection.leaseDuration | quote }}}
- {name: LEADER_ELECTION_RENEW_DEADLINE, value: {{ .Values.leaderElection.renewDeadline | quote }}}
- {name: LEADER_ELECTION_RETRY_PERIOD, value: {{ .Values.leaderElection.retryPeriod | quote }}}
- {name: KUBE_API_TIMEOUT, value: {{ .Values.kubeAPI.timeout | quote }}}
- {name: MAX_CONCURRENT_RECONCILES, value: {{ .Values.controller.maxConcurrentReconciles | int64 | quote }}}
{{- with .Values.flux.maxUntarSizeBytes }}
- {name: FLUX_MAX_UNTAR_SIZE_BYTES, value: {{ . | int64 | quote }}}
{{- end }}
# Small steps of the heap instead of doubling it: the manager idles most of the time.
- {name: GOGC, value: "50"}
- {name: GOMEMLIMIT, value: 200MiB}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
ports:
- {name: session, containerPort: 9443}
- {name: artifacts, containerPort: 9444}
- {name: metrics, containerPort: 8443}
- {name: health, containerPort: 8081}
{{- if .Values.webhook.enabled }}
- {name: webhook, containerPort: 9445}
{{- end }}
{{- with .Values.extraPorts }}
{{ toYaml . }}
{{- end }}
livenessProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 20
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 10
# A manager that waits for the API server is not helped by a restart.
startupProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 1
  failureThreshold: 600
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
- {name: tmp, mountPath: /tmp}
- {name: artifacts, mountPath: /var/lib/gantry}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
