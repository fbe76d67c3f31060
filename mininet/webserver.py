"""The lab's web servers: one nginx (or Apache) and one php-fpm per server, both in the server's network namespace."""

import glob
import hashlib
import os
import pwd
import shutil
import subprocess

WEB_USER = "www-data"

# Static files under /img/, the same on every server: name and length in bytes.
IMAGES = {
    "photo.jpg": 6_400,
    "icon.png": 700,
    "1m.bin": 1 << 20,
    "2m.bin": 2 << 20,
    "20m.bin": 20 << 20,
}

_NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    types {{ text/html html; text/plain txt; image/jpeg jpg; image/png png; application/octet-stream bin; }}
    default_type text/plain;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 75;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path {home}/tmp/body;
    fastcgi_temp_path {home}/tmp/fastcgi;
    proxy_temp_path {home}/tmp/proxy;
    scgi_temp_path {home}/tmp/scgi;
    uwsgi_temp_path {home}/tmp/uwsgi;
    log_format lab escape=json
        '{{"time":$msec,"connection":$connection,"number":$connection_requests,'
        '"client":"$remote_addr:$remote_port","request":"$request","status":"$status",'
        '"cookie":"$http_cookie","set_cookie":"$sent_http_set_cookie",'
        '"body_bytes":$body_bytes_sent,"length":$request_length}}';
    access_log {home}/access.log lab;
    server {{
        listen 80 default_server backlog=4096;
        {listen6}
        root {www};
        index index.php;
        add_header X-Server {name} always;
        location = /img/who.txt {{ return 200 "{name}\\n"; }}
        location = /who.txt {{ return 200 "{name}\\n"; }}
        location = /img/brief.txt {{ keepalive_timeout 1s; return 200 "{name}\\n"; }}
        location = /brief.txt {{ keepalive_timeout 1s; return 200 "{name}\\n"; }}
        location /ws/ {{
            proxy_pass http://127.0.0.1:{websocket_port}/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}
        location /upload/ {{
            root {home};
            dav_methods PUT DELETE;
            create_full_put_path on;
        }}
        location ~ \\.php$ {{
            fastcgi_pass unix:{home}/php.sock;
            fastcgi_read_timeout 600s;
            fastcgi_buffering off;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param DOCUMENT_ROOT $document_root;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param CONTENT_TYPE $content_type if_not_empty;
            fastcgi_param CONTENT_LENGTH $content_length if_not_empty;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param REMOTE_PORT $remote_port;
            fastcgi_param SERVER_ADDR $server_addr;
            fastcgi_param SERVER_PORT $server_port;
            fastcgi_param SERVER_NAME $server_name;
            fastcgi_param DWSR_SERVER {name};
        }}
    }}
}}
"""

_APACHE = """\
ServerRoot {home}
PidFile {home}/apache.pid
ErrorLog {home}/error.log
LogLevel warn
ServerName {name}
ServerTokens Prod
Listen 80
ListenBacklog 4096
User {user}
Group {user}
{modules}
StartServers 1
ServerLimit 4
ThreadsPerChild 64
ThreadLimit 64
MaxRequestWorkers 256
MinSpareThreads 16
MaxSpareThreads 256
AsyncRequestWorkerFactor 32
KeepAlive On
KeepAliveTimeout 75
MaxKeepAliveRequests 0
Timeout 600
RequestReadTimeout header=0 body=0
EnableSendfile On
TypesConfig /dev/null
AddType text/html .html
AddType text/plain .txt
AddType image/jpeg .jpg
AddType image/png .png
AddType application/octet-stream .bin
DefaultRuntimeDir {home}/tmp
LogFormat "{{\\"time\\":%{{sec}}t.%{{msec_frac}}t,\\"connection\\":%{{remote}}p,\\"number\\":%k,\\
\\"client\\":\\"%a:%{{remote}}p\\",\\"request\\":\\"%r\\",\\"status\\":\\"%>s\\",\\
\\"cookie\\":\\"%{{Cookie}}i\\",\\"set_cookie\\":\\"%{{Set-Cookie}}o\\",\\
\\"body_bytes\\":%B,\\"length\\":%I}}" lab
CustomLog {home}/access.log lab
DocumentRoot {www}
DirectoryIndex index.php
Header always set X-Server {name}
Alias /img/who.txt {home}/who.txt
Alias /who.txt {home}/who.txt
Alias /upload/ {home}/upload/
DavLockDB {home}/tmp/dav
ProxyPass /ws/ http://127.0.0.1:{websocket_port}/ upgrade=websocket
<Directory "/">
    Require all granted
    AllowOverride None
</Directory>
<Directory "{home}/upload">
    Dav On
</Directory>
<Proxy "fcgi://localhost/">
    ProxySet flushpackets=on timeout=600
</Proxy>
<FilesMatch "\\.php$">
    SetHandler "proxy:unix:{home}/php.sock|fcgi://localhost/"
</FilesMatch>
ProxyFCGISetEnvIf "true" DWSR_SERVER "{name}"
"""

_APACHE_MODULES = (
    "mpm_event authz_core alias mime dir headers reqtimeout dav dav_fs proxy proxy_http proxy_fcgi"
).split()
_APACHE_MODULE_FOLDER = "/usr/lib/apache2/modules"

# Where a server's WebSocket application listens, within its namespace; a test starts one.
WEBSOCKET_PORT = 8081

KINDS = ("nginx", "apache")

_PHP = """\
[global]
pid = {home}/php.pid
error_log = {home}/php.log
daemonize = no
[lab]
user = {user}
group = {user}
listen = {home}/php.sock
listen.owner = {user}
listen.backlog = 1024
pm = ondemand
pm.max_children = 24
pm.process_idle_timeout = 60s
catch_workers_output = yes
clear_env = yes
php_admin_value[session.save_path] = {home}/sessions
php_admin_value[session.name] = PHPSESSID
php_admin_flag[session.use_strict_mode] = on
php_admin_value[session.gc_maxlifetime] = 86400
php_admin_flag[enable_post_data_reading] = off
php_admin_value[post_max_size] = 0
php_admin_value[max_execution_time] = 0
php_admin_flag[output_buffering] = off
php_admin_value[opcache.enable] = 1
"""


def image_bytes(name):
    """The content of a static file under /img/: the SHAKE-256 stream of its name."""
    return hashlib.shake_256(name.encode()).digest(IMAGES[name])


def write_site(www):
    """Lays the document root that all servers share."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "www")
    shutil.copytree(source, www, dirs_exist_ok=True)
    for name in IMAGES:
        with open(os.path.join(www, "img", name), "wb") as out:
            out.write(image_bytes(name))
    for folder, _, names in os.walk(www):
        os.chmod(folder, 0o755)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)


def write_server(home, www, name):
    """Lays one server's folder: configuration, sessions, uploads, logs."""
    user = pwd.getpwnam(WEB_USER)
    for folder in ("", "tmp", "sessions", "upload"):
        path = os.path.join(home, folder)
        os.makedirs(path, mode=0o755, exist_ok=True)
        os.chmod(path, 0o755)
        if folder:
            os.chown(path, user.pw_uid, user.pw_gid)
    modules = "\n".join(f"LoadModule {module}_module {_APACHE_MODULE_FOLDER}/mod_{module}.so" for module in _APACHE_MODULES)
    fill = {"home": home, "www": www, "name": name, "user": WEB_USER, "modules": modules,
            "websocket_port": WEBSOCKET_PORT}  # fmt: skip
    # A kernel without IPv6 has no such socket.
    ipv6 = os.path.exists("/proc/net/if_inet6")
    fill["listen6"] = "listen [::]:80 default_server ipv6only=on backlog=4096;" if ipv6 else ""
    with open(os.path.join(home, "who.txt"), "w", encoding="ascii") as out:
        out.write(name + "\n")
    for file, text in (("nginx.conf", _NGINX), ("apache.conf", _APACHE), ("php.conf", _PHP)):
        with open(os.path.join(home, file), "w", encoding="ascii") as out:
            out.write(text.format(**fill))


def _php_fpm():
    found = sorted(glob.glob("/usr/sbin/php-fpm*"))
    if not found:
        raise FileNotFoundError("no /usr/sbin/php-fpm*: run ./dwsr setup")
    return found[-1]


def commands(home, kind="nginx"):
    """The two commands, each staying in the foreground, by role."""
    found = {"php": [_php_fpm(), "--nodaemonize", "--fpm-config", os.path.join(home, "php.conf")]}
    if kind == "apache":
        if not os.path.exists("/usr/sbin/apache2"):
            raise FileNotFoundError("no /usr/sbin/apache2: apt-get install apache2-bin")
        found["apache"] = ["/usr/sbin/apache2", "-DFOREGROUND", "-f", os.path.join(home, "apache.conf")]
    else:
        found["nginx"] = ["nginx", "-p", home, "-e", os.path.join(home, "error.log"), "-c",
                          os.path.join(home, "nginx.conf")]  # fmt: skip
    return found


def answers(enter):
    """Tells whether a server answers on its own namespace's port 80; enter is the command prefix to get in."""
    probe = ["curl", "-s", "-o", "/dev/null", "-m", "2", "-w", "%{http_code}", "http://127.0.0.1/ping.php"]
    done = subprocess.run(enter + probe, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout == "200"
