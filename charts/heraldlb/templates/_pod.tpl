{{/* What the pods of both components have alike. `.root` is the chart's context, `.component` controller or speaker. */}}

{{- define "heraldlb.podMetadata" -}}
{{- $values := index .root.Values .component -}}
labels:
  {{- include "heraldlb.selector" . | nindent 2 }}
  {{- with mergeOverwrite (deepCopy .root.Values.commonLabels) $values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- if .root.Values.prometheus.scrapeAnnotations }}
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ $values.metricsPort | quote }}
  prometheus.io/path: /metrics
  {{- end }}
  {{- with $values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "heraldlb.podSpec" -}}
{{- $values := index .root.Values .component -}}
serviceAccountName: {{ include "heraldlb.account" . }}
enableServiceLinks: false
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The probes of the container that serves the metrics port; the context is the component's values. */}}
{{- define "heraldlb.probes" -}}
{{- $values := . -}}
{{- range $name, $path := dict "startupProbe" "/healthz" "livenessProbe" "/healthz" "readinessProbe" "/readyz" }}
{{- with index $values $name }}
{{- if .enabled }}
{{ $name }}:
  httpGet: {path: {{ $path }}, port: metrics}
  {{- toYaml (omit . "enabled") | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
