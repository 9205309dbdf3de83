{{/* Parts of a pod that the StatefulSet and the CronJob have in common. */}}

{{- define "timepoint-exporter.podAnnotations" -}}
{{- if .Values.config }}
checksum/config: {{ include "timepoint-exporter.config" . | sha256sum }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "timepoint-exporter.podSettings" -}}
serviceAccountName: {{ include "timepoint-exporter.serviceAccountName" . | quote }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "timepoint-exporter.containerSettings" -}}
image: {{ include "timepoint-exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A dict: root, web for who has a port, and readOnly for who only serves. Whole directories are mounted, so that changes arrive. */}}
{{- define "timepoint-exporter.volumeMounts" -}}
- name: config
  mountPath: /etc/timepoint
  readOnly: true
{{- if or .root.Values.credentials.existingSecret .root.Values.credentials.data }}
- name: credentials
  mountPath: /etc/timepoint-credentials
  readOnly: true
{{- end }}
- name: data
  mountPath: /data
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
- name: tmp
  mountPath: /tmp
{{- if .web }}
- name: web-config
  mountPath: /etc/timepoint-web
  readOnly: true
{{- end }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A dict: root, and web for who has a port. */}}
{{- define "timepoint-exporter.volumes" -}}
{{- $web := .web }}
{{- with .root }}
- name: config
  {{- if .Values.configExistingConfigMapName }}
  configMap:
    name: {{ .Values.configExistingConfigMapName | quote }}
  {{- else if .Values.configExistingSecretName }}
  secret:
    secretName: {{ .Values.configExistingSecretName | quote }}
  {{- else if .Values.secretConfig }}
  secret:
    secretName: {{ include "timepoint-exporter.fullname" . | quote }}
  {{- else }}
  configMap:
    name: {{ include "timepoint-exporter.fullname" . | quote }}
  {{- end }}
{{- if or .Values.credentials.existingSecret .Values.credentials.data }}
- name: credentials
  secret:
    secretName: {{ include "timepoint-exporter.credentialsName" . | quote }}
    defaultMode: 0440
{{- end }}
- name: data
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ include "timepoint-exporter.claimName" . | quote }}
  {{- else }}
  emptyDir: {}
  {{- end }}
- name: tmp
  emptyDir: {}
{{- if $web }}
- name: web-config
  secret:
    secretName: {{ .Values.webConfig.existingSecret | quote }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{/* A probe as the values have it, by HTTPS where the port speaks TLS. A dict: root and probe. */}}
{{- define "timepoint-exporter.probe" -}}
{{- $probe := deepCopy .probe }}
{{- if and .root.Values.webConfig.tls $probe.httpGet }}
{{- $_ := set $probe "httpGet" (merge $probe.httpGet (dict "scheme" "HTTPS")) }}
{{- end }}
{{- toYaml $probe }}
{{- end }}

{{- define "timepoint-exporter.web" -}}
{{- if .Values.webConfig.existingSecret }}yes{{ end }}
{{- end }}
