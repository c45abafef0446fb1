BEGIN TRANSACTION;
CREATE TABLE fuota_campaigns (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	campaign TEXT NOT NULL, 
	status TEXT NOT NULL, 
	n_events BIGINT NOT NULL, 
	created_at DOUBLE, 
	changed_at DOUBLE, 
	archived BOOLEAN NOT NULL, 
	owner TEXT NOT NULL, 
	lease_until DOUBLE NOT NULL, 
	UNIQUE (campaign)
);
INSERT INTO "fuota_campaigns" VALUES(1,'recorded-multicast','RUNNING',140,1800000000.0,1.80000534138072419169e+09,0,'agent-1',1.79606719750901079176e+09);
CREATE TABLE fuota_claims (
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	campaign TEXT NOT NULL, 
	PRIMARY KEY (kind, name)
)
 WITHOUT ROWID

;
INSERT INTO "fuota_claims" VALUES('device','fe5eed0000000000','recorded-multicast');
INSERT INTO "fuota_claims" VALUES('device','fe5eed0000000001','recorded-multicast');
INSERT INTO "fuota_claims" VALUES('device','fe5eed0000000002','recorded-multicast');
INSERT INTO "fuota_claims" VALUES('device','fe5eed0000000003','recorded-multicast');
INSERT INTO "fuota_claims" VALUES('device','fe5eed0000000004','recorded-multicast');
INSERT INTO "fuota_claims" VALUES('device','fe5eed0000000005','recorded-multicast');
INSERT INTO "fuota_claims" VALUES('group','01f3a4b5','recorded-multicast');
INSERT INTO "fuota_claims" VALUES('group','01f3a4b6','recorded-multicast');
CREATE TABLE fuota_devices (
	dev_eui TEXT NOT NULL, 
	fw_version BIGINT, 
	memberships TEXT NOT NULL, 
	PRIMARY KEY (dev_eui)
)
 WITHOUT ROWID

;
CREATE TABLE fuota_events (
	campaign TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	type TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	data TEXT NOT NULL, 
	PRIMARY KEY (campaign, seq)
)
 WITHOUT ROWID

;
INSERT INTO "fuota_events" VALUES('recorded-multicast',0,'Configured',3,'{"at":1800000000.0,"config":{"id":"recorded-multicast","success_threshold":50.0,"max_duration":100000.0,"uplink_period":300.0,"groups":[{"name":"a","mc_addr":"01f3a4b5","key":null,"mc_group_id":0,"region":"EU868","dr":5,"frequency":null,"device_class":"C","periodicity":4,"dwell_time":false,"gateways":[],"redundancy":null,"dialect":"2.0.0","mc_version":"2.0.0","first_f_cnt":0},{"name":"b","mc_addr":"01f3a4b6","key":null,"mc_group_id":0,"region":"EU868","dr":5,"frequency":null,"device_class":"B","periodicity":4,"dwell_time":false,"gateways":[],"redundancy":0,"dialect":"1.0.0","mc_version":"1.0.0","first_f_cnt":0}],"devices":[{"dev_eui":"fe5eed0000000000","group":"a","key":null,"lorawan":"1.0","uplink_period":null,"profile":"generic","downlink_dr":null,"fw_version":null,"loss":null,"probe":true},{"dev_eui":"fe5eed0000000001","group":"b","key":null,"lorawan":"1.0","uplink_period":null,"profile":"generic","downlink_dr":null,"fw_version":null,"loss":null,"probe":true},{"dev_eui":"fe5eed0000000002","group":"a","key":null,"lorawan":"1.0","uplink_period":null,"profile":"generic","downlink_dr":null,"fw_version":null,"loss":null,"probe":true},{"dev_eui":"fe5eed0000000003","group":"b","key":null,"lorawan":"1.0","uplink_period":null,"profile":"generic","downlink_dr":null,"fw_version":null,"loss":null,"probe":true},{"dev_eui":"fe5eed0000000004","group":"a","key":null,"lorawan":"1.0","uplink_period":null,"profile":"generic","downlink_dr":null,"fw_version":null,"loss":null,"probe":true},{"dev_eui":"fe5eed0000000005","group":"b","key":null,"lorawan":"1.0","uplink_period":null,"profile":"generic","downlink_dr":null,"fw_version":null,"loss":null,"probe":true}],"kind":"multicast","fw_version":null,"hw_version":null,"requires_fw_version":null,"stage_end":"all","msg_retries":2,"ucast_msg_delay":1000.0,"mcast_msg_delay":2000.0,"delivery_timeout":60.0,"stage_complete_delay":1.0,"complete_delay":10.0,"mcsession_delay":30.0,"session_start":null,"classb_start_beacons_delay":2,"first_fragment_delay":3.0,"time_tolerance":2.0,"time_sync_tolerance":1.0,"answer_spread_max":128.0,"fsession_status_threshold":5,"fsession_status_timeout":60.0,"fuota_process_max_time":20.0,"reboot":"device","reboot_spread":600.0,"datafrag_loops_max":2,"allow_carousel":false,"ack_reception":null,"frag_redundancy_max":340,"redundancy":"1/2","loss":null,"unicast_repair_max":0,"rows":null,"summary_reports_disabled":false,"summary_window":1,"summary_report_timeout":0.0,"mcgroup_validity_coeff":10.0,"fsize":20,"fsize_optimization":0,"repeater":false,"descriptor":"00000000","frag_index":0,"clean_up":true,"session_cnt":1,"duty_cycle":null,"ports":{"multicast":200,"fragmentation":201,"clock":202,"firmware":203}},"image_len":0,"image_sha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","network":{"owns_f_cnt":false,"sent_reports":true,"summaries":true,"summary_cadence":60.0,"pacing":0.0,"withdraws":true,"clock_sync":false},"known":{"next_f_cnt":{},"devices":{}},"row_plans":{}}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',1,'StageStarted',2,'{"at":1800000000.0,"stage":"PackageVersion","n_devices":6,"round":1,"sessions":null,"coded":{}}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',2,'DeviceHeard',1,'{"at":1800000024.0013819,"dev_eui":"fe5eed0000000004"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',3,'Requested',1,'{"at":1800000024.0013819,"id":"recorded-multicast/1","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000004","command":"AA==","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',4,'HandedOver',1,'{"at":1800000024.0013819,"id":"recorded-multicast/1","reference":"recorded-multicast/1","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',5,'Reported',1,'{"at":1800000025.0013819,"id":"recorded-multicast/1","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',6,'Answered',2,'{"at":1800000027.2989392,"dev_eui":"fe5eed0000000004","ask":"PackageVersion TS005","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',7,'DeviceHeard',1,'{"at":1800000087.4966471,"dev_eui":"fe5eed0000000005"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',8,'Requested',1,'{"at":1800000087.4966471,"id":"recorded-multicast/2","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000005","command":"AA==","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',9,'HandedOver',1,'{"at":1800000087.4966471,"id":"recorded-multicast/2","reference":"recorded-multicast/2","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',10,'Reported',1,'{"at":1800000088.4966471,"id":"recorded-multicast/2","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',11,'DeviceHeard',1,'{"at":1800000106.1280754,"dev_eui":"fe5eed0000000000"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',12,'Requested',1,'{"at":1800000106.1280754,"id":"recorded-multicast/3","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000000","command":"AA==","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',13,'HandedOver',1,'{"at":1800000106.1280754,"id":"recorded-multicast/3","reference":"recorded-multicast/3","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',14,'Reported',1,'{"at":1800000107.1280754,"id":"recorded-multicast/3","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',15,'DeviceHeard',1,'{"at":1800000327.7786508,"dev_eui":"fe5eed0000000003"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',16,'Requested',1,'{"at":1800000327.7786508,"id":"recorded-multicast/4","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000003","command":"AA==","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',17,'HandedOver',1,'{"at":1800000327.7786508,"id":"recorded-multicast/4","reference":"recorded-multicast/4","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',18,'Reported',1,'{"at":1800000328.7786508,"id":"recorded-multicast/4","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',19,'Answered',2,'{"at":1800000330.6837766,"dev_eui":"fe5eed0000000003","ask":"PackageVersion TS005","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',20,'DeviceHeard',1,'{"at":1800000399.8545756,"dev_eui":"fe5eed0000000002"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',21,'Requested',1,'{"at":1800000399.8545756,"id":"recorded-multicast/5","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000002","command":"AA==","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',22,'HandedOver',1,'{"at":1800000399.8545756,"id":"recorded-multicast/5","reference":"recorded-multicast/5","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',23,'Reported',1,'{"at":1800000400.8545756,"id":"recorded-multicast/5","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',24,'Answered',2,'{"at":1800000402.0216656,"dev_eui":"fe5eed0000000002","ask":"PackageVersion TS005","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',25,'Unanswered',1,'{"at":1800000448.4966471,"id":"recorded-multicast/2"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',26,'Requested',1,'{"at":1800000448.4966471,"id":"recorded-multicast/6","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000005","command":"AA==","reply":false,"replaces":"recorded-multicast/2","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',27,'HandedOver',1,'{"at":1800000448.4966471,"id":"recorded-multicast/6","reference":"recorded-multicast/6","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',28,'Unanswered',1,'{"at":1800000467.1280754,"id":"recorded-multicast/3"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',29,'Requested',1,'{"at":1800000467.1280754,"id":"recorded-multicast/7","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000000","command":"AA==","reply":false,"replaces":"recorded-multicast/3","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',30,'HandedOver',1,'{"at":1800000467.1280754,"id":"recorded-multicast/7","reference":"recorded-multicast/7","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',31,'Reported',1,'{"at":1800000654.2423742,"id":"recorded-multicast/6","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',32,'Answered',2,'{"at":1800000655.6044195,"dev_eui":"fe5eed0000000005","ask":"PackageVersion TS005","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',33,'Reported',1,'{"at":1800000707.499246,"id":"recorded-multicast/7","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',34,'Answered',2,'{"at":1800000710.2591295,"dev_eui":"fe5eed0000000000","ask":"PackageVersion TS005","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',35,'DeviceHeard',1,'{"at":1800000866.8101168,"dev_eui":"fe5eed0000000001"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',36,'Requested',1,'{"at":1800000866.8101168,"id":"recorded-multicast/8","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000001","command":"AA==","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',37,'HandedOver',1,'{"at":1800000866.8101168,"id":"recorded-multicast/8","reference":"recorded-multicast/8","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',38,'Reported',1,'{"at":1800000867.8101168,"id":"recorded-multicast/8","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',39,'Unanswered',1,'{"at":1800001227.8101168,"id":"recorded-multicast/8"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',40,'Requested',1,'{"at":1800001227.8101168,"id":"recorded-multicast/9","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000001","command":"AA==","reply":false,"replaces":"recorded-multicast/8","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',41,'HandedOver',1,'{"at":1800001227.8101168,"id":"recorded-multicast/9","reference":"recorded-multicast/9","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',42,'PeriodMeasured',1,'{"at":1800001316.571593,"dev_eui":"fe5eed0000000002","period":309.9641432762146}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',43,'PeriodMeasured',1,'{"at":1800001476.202715,"dev_eui":"fe5eed0000000004","period":555.5435609817505}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',44,'Reported',1,'{"at":1800001478.0054882,"id":"recorded-multicast/9","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',45,'PeriodMeasured',1,'{"at":1800001524.497405,"dev_eui":"fe5eed0000000003","period":308.22886633872986}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',46,'PeriodMeasured',1,'{"at":1800001525.9207573,"dev_eui":"fe5eed0000000005","period":565.7457270622253}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',47,'PeriodMeasured',1,'{"at":1800001588.1806726,"dev_eui":"fe5eed0000000000","period":557.5409009456635}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',48,'PeriodMeasured',1,'{"at":1800001769.465264,"dev_eui":"fe5eed0000000001","period":304.87563371658325}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',49,'Unanswered',1,'{"at":1800002093.5490491,"id":"recorded-multicast/9"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',50,'Requested',1,'{"at":1800002093.5490491,"id":"recorded-multicast/10","ask":"PackageVersion TS005","f_port":200,"not_after":1800100000.0,"digest":"bjQLnP+zepg=","dev_eui":"fe5eed0000000001","command":"AA==","reply":false,"replaces":"recorded-multicast/9","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',51,'HandedOver',1,'{"at":1800002093.5490491,"id":"recorded-multicast/10","reference":"recorded-multicast/10","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',52,'Reported',1,'{"at":1800002329.1532567,"id":"recorded-multicast/10","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',53,'Answered',2,'{"at":1800002331.3639436,"dev_eui":"fe5eed0000000001","ask":"PackageVersion TS005","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',54,'StageClosing',1,'{"at":1800002331.3639436,"stage":"PackageVersion","until":1800002331.3639436}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',55,'StageEnded',1,'{"at":1800002331.3639436,"stage":"PackageVersion","successes":6,"ok":true,"back_to":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',56,'StageStarted',2,'{"at":1800002331.3639436,"stage":"McGroupSetup","n_devices":6,"round":1,"sessions":null,"coded":{}}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',57,'Requested',1,'{"at":1800002331.3639436,"id":"recorded-multicast/11","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000000","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',58,'HandedOver',1,'{"at":1800002331.3639436,"id":"recorded-multicast/11","reference":"recorded-multicast/11","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',59,'Requested',1,'{"at":1800002332.3639436,"id":"recorded-multicast/12","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"pBDFNFYC5I8=","dev_eui":"fe5eed0000000001","command":"AgC2pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',60,'HandedOver',1,'{"at":1800002332.3639436,"id":"recorded-multicast/12","reference":"recorded-multicast/12","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',61,'Requested',1,'{"at":1800002333.3639436,"id":"recorded-multicast/13","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000002","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',62,'HandedOver',1,'{"at":1800002333.3639436,"id":"recorded-multicast/13","reference":"recorded-multicast/13","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',63,'Requested',1,'{"at":1800002334.3639436,"id":"recorded-multicast/14","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"pBDFNFYC5I8=","dev_eui":"fe5eed0000000003","command":"AgC2pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',64,'HandedOver',1,'{"at":1800002334.3639436,"id":"recorded-multicast/14","reference":"recorded-multicast/14","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',65,'Requested',1,'{"at":1800002335.3639436,"id":"recorded-multicast/15","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000004","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',66,'HandedOver',1,'{"at":1800002335.3639436,"id":"recorded-multicast/15","reference":"recorded-multicast/15","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',67,'Requested',1,'{"at":1800002336.3639436,"id":"recorded-multicast/16","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"pBDFNFYC5I8=","dev_eui":"fe5eed0000000005","command":"AgC2pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',68,'HandedOver',1,'{"at":1800002336.3639436,"id":"recorded-multicast/16","reference":"recorded-multicast/16","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',69,'Reported',1,'{"at":1800002398.1967149,"id":"recorded-multicast/14","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',70,'PeriodMeasured',1,'{"at":1800002430.1862276,"dev_eui":"fe5eed0000000005","period":307.07552456855774}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',71,'Reported',1,'{"at":1800002431.1862276,"id":"recorded-multicast/16","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',72,'Answered',2,'{"at":1800002433.7153552,"dev_eui":"fe5eed0000000005","ask":"McGroupSetup","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',73,'PeriodMeasured',1,'{"at":1800002539.190456,"dev_eui":"fe5eed0000000000","period":323.2175409793854}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',74,'Reported',1,'{"at":1800002540.190456,"id":"recorded-multicast/11","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',75,'Reported',1,'{"at":1800002622.696201,"id":"recorded-multicast/12","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',76,'Answered',2,'{"at":1800002623.9751647,"dev_eui":"fe5eed0000000001","ask":"McGroupSetup","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',77,'Reported',1,'{"at":1800002670.7701702,"id":"recorded-multicast/15","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',78,'Reported',1,'{"at":1800002703.3280869,"id":"recorded-multicast/13","ok":false,"cause":"no sent report in time"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',79,'Requested',1,'{"at":1800002703.3280869,"id":"recorded-multicast/17","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000002","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/13","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',80,'HandedOver',1,'{"at":1800002703.3280869,"id":"recorded-multicast/17","reference":"recorded-multicast/17","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',81,'Reported',1,'{"at":1800002860.2661505,"id":"recorded-multicast/17","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',82,'PeriodMeasured',1,'{"at":1800002949.2550488,"dev_eui":"fe5eed0000000004","period":314.6030626296997}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',83,'PeriodMeasured',1,'{"at":1800002991.659503,"dev_eui":"fe5eed0000000003","period":449.0885081291199}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',84,'Unanswered',1,'{"at":1800003023.942442,"id":"recorded-multicast/14"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',85,'Requested',1,'{"at":1800003023.942442,"id":"recorded-multicast/18","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"pBDFNFYC5I8=","dev_eui":"fe5eed0000000003","command":"AgC2pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/14","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',86,'HandedOver',1,'{"at":1800003023.942442,"id":"recorded-multicast/18","reference":"recorded-multicast/18","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',87,'Unanswered',1,'{"at":1800003165.936183,"id":"recorded-multicast/11"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',88,'Requested',1,'{"at":1800003165.936183,"id":"recorded-multicast/19","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000000","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/11","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',89,'HandedOver',1,'{"at":1800003165.936183,"id":"recorded-multicast/19","reference":"recorded-multicast/19","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',90,'Unanswered',1,'{"at":1800003296.5158973,"id":"recorded-multicast/15"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',91,'Requested',1,'{"at":1800003296.5158973,"id":"recorded-multicast/20","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000004","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/15","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',92,'HandedOver',1,'{"at":1800003296.5158973,"id":"recorded-multicast/20","reference":"recorded-multicast/20","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',93,'Reported',1,'{"at":1800003303.9681308,"id":"recorded-multicast/18","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',94,'Reported',1,'{"at":1800003440.1830287,"id":"recorded-multicast/19","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',95,'Unanswered',1,'{"at":1800003486.0118775,"id":"recorded-multicast/17"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',96,'Requested',1,'{"at":1800003486.0118775,"id":"recorded-multicast/21","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000002","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/17","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',97,'HandedOver',1,'{"at":1800003486.0118775,"id":"recorded-multicast/21","reference":"recorded-multicast/21","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',98,'Reported',1,'{"at":1800003671.11896,"id":"recorded-multicast/20","ok":false,"cause":"no sent report in time"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',99,'Requested',1,'{"at":1800003671.11896,"id":"recorded-multicast/22","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000004","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/20","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',100,'HandedOver',1,'{"at":1800003671.11896,"id":"recorded-multicast/22","reference":"recorded-multicast/22","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',101,'Reported',1,'{"at":1800003737.3008695,"id":"recorded-multicast/21","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',102,'Reported',1,'{"at":1800003870.5279152,"id":"recorded-multicast/22","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',103,'Unanswered',1,'{"at":1800003929.713858,"id":"recorded-multicast/18"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',104,'Requested',1,'{"at":1800003929.713858,"id":"recorded-multicast/23","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"pBDFNFYC5I8=","dev_eui":"fe5eed0000000003","command":"AgC2pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/18","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',105,'HandedOver',1,'{"at":1800003929.713858,"id":"recorded-multicast/23","reference":"recorded-multicast/23","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',106,'Unanswered',1,'{"at":1800004065.9287558,"id":"recorded-multicast/19"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',107,'Requested',1,'{"at":1800004065.9287558,"id":"recorded-multicast/24","ask":"McGroupSetup","f_port":200,"not_after":1800100000.0,"digest":"SD58yW642Fw=","dev_eui":"fe5eed0000000000","command":"AgC1pPMBAAAAAAAAAAAAAAAAAAAAAAAAAAD/////","reply":false,"replaces":"recorded-multicast/19","group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',108,'HandedOver',1,'{"at":1800004065.9287558,"id":"recorded-multicast/24","reference":"recorded-multicast/24","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',109,'Reported',1,'{"at":1800004071.8722217,"id":"recorded-multicast/24","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',110,'Answered',2,'{"at":1800004073.3428094,"dev_eui":"fe5eed0000000000","ask":"McGroupSetup","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',111,'Reported',1,'{"at":1800004202.2653399,"id":"recorded-multicast/23","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',112,'Answered',2,'{"at":1800004203.3713837,"dev_eui":"fe5eed0000000003","ask":"McGroupSetup","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',113,'Unanswered',1,'{"at":1800004363.0465965,"id":"recorded-multicast/21"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',114,'GivenUp',1,'{"at":1800004363.0465965,"dev_eui":"fe5eed0000000002","reason":"no answer in McGroupSetup"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',115,'Unanswered',1,'{"at":1800004496.2736423,"id":"recorded-multicast/22"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',116,'GivenUp',1,'{"at":1800004496.2736423,"dev_eui":"fe5eed0000000004","reason":"no answer in McGroupSetup"}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',117,'StageClosing',1,'{"at":1800004496.2736423,"stage":"McGroupSetup","until":1800005062.0193694}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',118,'StageEnded',1,'{"at":1800005062.0193694,"stage":"McGroupSetup","successes":4,"ok":true,"back_to":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',119,'StageStarted',2,'{"at":1800005062.0193694,"stage":"McClassCSession","n_devices":4,"round":1,"sessions":{"a":{"start":1800008600.0,"time_out":15,"device_class":"C"},"b":{"start":1800008942.0,"time_out":10,"device_class":"B"}},"coded":{}}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',120,'Requested',1,'{"at":1800005062.0193694,"id":"recorded-multicast/25","ask":"McSession","f_port":200,"not_after":1800008600.0,"digest":"+OM/xKDxP0Q=","dev_eui":"fe5eed0000000000","command":"BAAqtnRYD9KthAU=","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',121,'HandedOver',1,'{"at":1800005062.0193694,"id":"recorded-multicast/25","reference":"recorded-multicast/25","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',122,'Requested',1,'{"at":1800005063.0193694,"id":"recorded-multicast/26","ask":"McSession","f_port":200,"not_after":1800008600.0,"digest":"mYhF8fLufc4=","dev_eui":"fe5eed0000000001","command":"BQCAt3RYStKthAU=","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',123,'HandedOver',1,'{"at":1800005063.0193694,"id":"recorded-multicast/26","reference":"recorded-multicast/26","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',124,'Requested',1,'{"at":1800005064.0193694,"id":"recorded-multicast/27","ask":"McSession","f_port":200,"not_after":1800008600.0,"digest":"mYhF8fLufc4=","dev_eui":"fe5eed0000000003","command":"BQCAt3RYStKthAU=","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',125,'HandedOver',1,'{"at":1800005064.0193694,"id":"recorded-multicast/27","reference":"recorded-multicast/27","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',126,'Requested',1,'{"at":1800005065.0193694,"id":"recorded-multicast/28","ask":"McSession","f_port":200,"not_after":1800008600.0,"digest":"mYhF8fLufc4=","dev_eui":"fe5eed0000000005","command":"BQCAt3RYStKthAU=","reply":false,"replaces":null,"group":null,"frag_nb":null,"f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',127,'HandedOver',1,'{"at":1800005065.0193694,"id":"recorded-multicast/28","reference":"recorded-multicast/28","f_cnt":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',128,'PeriodMeasured',1,'{"at":1800005092.661358,"dev_eui":"fe5eed0000000003","period":308.94089794158936}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',129,'Reported',1,'{"at":1800005093.661358,"id":"recorded-multicast/27","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',130,'Answered',2,'{"at":1800005096.3726125,"dev_eui":"fe5eed0000000003","ask":"McSession","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',131,'Reported',1,'{"at":1800005137.738813,"id":"recorded-multicast/28","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',132,'Answered',2,'{"at":1800005139.3752937,"dev_eui":"fe5eed0000000005","ask":"McSession","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',133,'Reported',1,'{"at":1800005270.314032,"id":"recorded-multicast/25","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',134,'Answered',2,'{"at":1800005272.677941,"dev_eui":"fe5eed0000000000","ask":"McSession","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',135,'Reported',1,'{"at":1800005340.2377326,"id":"recorded-multicast/26","ok":true,"cause":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',136,'Answered',2,'{"at":1800005341.3807242,"dev_eui":"fe5eed0000000001","ask":"McSession","ok":true,"reason":"","note":"","fw_version":null,"needed":null,"loss":null}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',137,'StageClosing',1,'{"at":1800005341.3807242,"stage":"McClassCSession","until":1800005341.3807242}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',138,'StageEnded',1,'{"at":1800005341.3807242,"stage":"McClassCSession","successes":4,"ok":true,"back_to":""}');
INSERT INTO "fuota_events" VALUES('recorded-multicast',139,'Stopping',1,'{"at":1800005341.3807242,"status":"SUCCEEDED","successes":4,"reason":""}');
CREATE TABLE fuota_groups (
	mc_addr TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	next_f_cnt BIGINT NOT NULL, 
	PRIMARY KEY (mc_addr, "key")
)
 WITHOUT ROWID

;
CREATE TABLE fuota_images (
	campaign TEXT NOT NULL, 
	image BLOB NOT NULL, 
	network TEXT NOT NULL, 
	PRIMARY KEY (campaign)
);
INSERT INTO "fuota_images" VALUES('recorded-multicast',X'','');
CREATE TABLE fuota_orders (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	campaign TEXT NOT NULL, 
	verb TEXT NOT NULL, 
	ordered_at DOUBLE NOT NULL
);
CREATE TABLE fuota_schema (
	version INTEGER NOT NULL
);
INSERT INTO "fuota_schema" VALUES(1);
CREATE TABLE fuota_sessions (
	dev_eui TEXT NOT NULL, 
	frag_index INTEGER NOT NULL, 
	session_cnt BIGINT, 
	session_open BOOLEAN NOT NULL, 
	PRIMARY KEY (dev_eui, frag_index)
)
 WITHOUT ROWID

;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('fuota_campaigns',1);
COMMIT;
